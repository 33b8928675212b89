/* A token: a fixed supply, balances, and what owners allow others to spend. */

#include "contract.h"

enum { SUPPLY, BALANCES, ALLOWED };
enum { INSUFFICIENT_FUNDS = 1, NOT_ALLOWED };
enum { TRANSFER };
enum { A_MAP = 3 };

static void move(address from, address to, u128 amount)
{
    uint32_t balances = svm_open(BALANCES);
    if (!map_sub(balances, from, amount))
        FAIL_WITH(INSUFFICIENT_FUNDS, { u128 have; u128 need; }, map_sum(balances, from), amount);
    if (!map_add(balances, to, amount))
        PANIC("no balance is above the supply");
    EMIT(TRANSFER, { address from; address to; u128 amount; }, from, to, amount);
}

/* What `owner` lets others spend; made if nothing is there. */
static uint32_t allowed_by(address owner)
{
    return svm_create_key(svm_open(ALLOWED), A_MAP, svm_at(&owner), sizeof owner);
}

static void allow(uint32_t of_owner, address spender, u128 amount)
{
    svm_map_insert(of_owner, svm_at(&spender), sizeof spender, svm_at(&amount), sizeof amount);
}

static ARGUMENTS(new, { u128 supply; });
CALL(new)
{
    READ(new);
    u128 supply = new_args.supply;
    SET(SUPPLY, supply);
    if (!map_add(svm_open(BALANCES), sender(), supply))
        PANIC("the supply is below 2^127");
}

static ARGUMENTS(transfer, { address to; u128 amount; });
CALL(transfer)
{
    READ(transfer);
    move(sender(), transfer_args.to, transfer_args.amount);
}

static ARGUMENTS(approve, { address spender; u128 amount; });
CALL(approve)
{
    READ(approve);
    allow(allowed_by(sender()), approve_args.spender, approve_args.amount);
}

static ARGUMENTS(transfer_from, { address owner; address to; u128 amount; });
CALL(transfer_from)
{
    READ(transfer_from);
    address spender = sender();
    u128 amount = transfer_from_args.amount;
    uint32_t of_owner = allowed_by(transfer_from_args.owner);
    u128 allowed = map_sum(of_owner, spender);
    if (allowed < amount)
        FAIL_WITH(NOT_ALLOWED, { u128 allowed; u128 need; }, allowed, amount);
    allow(of_owner, spender, allowed - amount);
    move(transfer_from_args.owner, transfer_from_args.to, amount);
}

static ARGUMENTS(balance_of, { address owner; });
CALL(balance_of)
{
    READ(balance_of);
    RETURN(map_sum(svm_open(BALANCES), balance_of_args.owner));
}

static ARGUMENTS(allowance, { address owner; address spender; });
CALL(allowance)
{
    READ(allowance);
    address owner = allowance_args.owner;
    uint32_t of_owner = svm_open_key(svm_open(ALLOWED), svm_at(&owner), sizeof owner);
    RETURN(of_owner == UINT32_MAX ? (u128)0 : map_sum(of_owner, allowance_args.spender));
}

CALL(supply)
{
    RETURN(GET(SUPPLY, u128));
}
