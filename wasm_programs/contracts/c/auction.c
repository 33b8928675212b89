/* An auction: who has offered most when its time is over has it; everybody else takes back what they offered. */

#include "contract.h"

enum { SELLER, UNTIL, LEAST, BEST, LEADER, SETTLED, OWED };
enum { TOO_LOW = 1, OVER, NOT_YET, NOTHING };
enum { BID, SOLD };

static ARGUMENTS(new, { uint64_t until; u128 least; });
CALL(new)
{
    READ(new);
    u128 least = new_args.least;
    SET(SELLER, sender());
    SET(UNTIL, new_args.until);
    SET(LEAST, least);
}

CALL(bid)
{
    if (svm_time() >= GET(UNTIL, uint64_t))
        FAIL(OVER);
    address by = sender();
    u128 amount = value_sent(), best = GET(BEST, u128), least = best + 1;
    if (best == 0) {
        least = GET(LEAST, u128);
        least = least == 0 ? 1 : least;
    }
    if (amount < least)
        FAIL_WITH(TOO_LOW, { u128 least; }, least);
    if (best > 0 && !map_add(svm_open(OWED), GET(LEADER, address), best))
        PANIC("no balance is above all money");
    SET(BEST, amount);
    SET(LEADER, by);
    EMIT(BID, { address by; u128 amount; }, by, amount);
}

CALL(withdraw)
{
    address by = sender();
    uint32_t map = svm_open(OWED);
    u128 owed = map_sum(map, by);
    if (owed == 0)
        FAIL(NOTHING);
    if (!map_sub(map, by, owed) || !pay(by, owed))
        PANIC("it has what it owes");
    RETURN(owed);
}

CALL(settle)
{
    uint64_t now = svm_time(), until = GET(UNTIL, uint64_t);
    if (now < until)
        FAIL_WITH(NOT_YET, { uint64_t now; uint64_t until; }, now, until);
    if (GET(SETTLED, boolean))
        FAIL(OVER);
    SET(SETTLED, (boolean)1);
    u128 amount = GET(BEST, u128);
    if (amount == 0)
        return;
    if (!pay(GET(SELLER, address), amount))
        PANIC("it has what was offered");
    EMIT(SOLD, { address to; u128 amount; }, GET(LEADER, address), amount);
}

CALL(best)
{
    RETURN(GET(BEST, u128));
}

static ARGUMENTS(owed, { address whom; });
CALL(owed)
{
    READ(owed);
    RETURN(map_sum(svm_open(OWED), owed_args.whom));
}
