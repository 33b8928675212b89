/* Money that waits: the buyer releases it to the seller, the seller gives it back, or it goes back when its time is over. */

#include "contract.h"

enum { BUYER, SELLER, UNTIL, STATE };
enum { NOT_THE_BUYER = 1, NOT_THE_SELLER, NOT_YET, OVER };
enum { SETTLED };
enum state { WAITING, RELEASED, RETURNED };

static void settle(address to, enum state state)
{
    if (GET(STATE, uint8_t) != WAITING)
        FAIL(OVER);
    SET(STATE, (uint8_t)state);
    u128 amount = balance_of_account(own_address());
    if (!pay(to, amount))
        PANIC("it has its balance");
    EMIT(SETTLED, { address to; u128 amount; }, to, amount);
}

static ARGUMENTS(new, { address seller; uint64_t until; });
CALL(new)
{
    READ(new);
    SET(BUYER, sender());
    SET(SELLER, new_args.seller);
    SET(UNTIL, new_args.until);
}

CALL(release)
{
    address by = sender(), buyer = GET(BUYER, address);
    if (!same(&by, &buyer))
        FAIL(NOT_THE_BUYER);
    settle(GET(SELLER, address), RELEASED);
}

CALL(give_back)
{
    address by = sender(), seller = GET(SELLER, address);
    if (!same(&by, &seller))
        FAIL(NOT_THE_SELLER);
    settle(GET(BUYER, address), RETURNED);
}

CALL(expire)
{
    uint64_t now = svm_time(), until = GET(UNTIL, uint64_t);
    if (now < until)
        FAIL_WITH(NOT_YET, { uint64_t now; uint64_t until; }, now, until);
    settle(GET(BUYER, address), RETURNED);
}

CALL(state)
{
    RETURN(GET(STATE, uint8_t));
}
