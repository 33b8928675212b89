/* The smallest contract: a number that anybody can add to, once a limit allows it. */

#include "contract.h"

enum { COUNT, LIMIT };
enum { ABOVE_LIMIT = 1 };
enum { ADDED };

static ARGUMENTS(new, { uint64_t limit; });
CALL(new)
{
    READ(new);
    SET(LIMIT, new_args.limit);
}

static ARGUMENTS(add, { uint64_t amount; });
CALL(add)
{
    READ(add);
    uint64_t sum, limit = GET(LIMIT, uint64_t);
    if (__builtin_add_overflow(GET(COUNT, uint64_t), add_args.amount, &sum))
        sum = UINT64_MAX;
    if (sum > limit)
        FAIL_WITH(ABOVE_LIMIT, { uint64_t sum; uint64_t limit; }, sum, limit);
    SET(COUNT, sum);
    EMIT(ADDED, { address by; uint64_t amount; }, sender(), add_args.amount);
    RETURN(sum);
}

CALL(count)
{
    RETURN(GET(COUNT, uint64_t));
}
