/* The cell's contracts, for programs: the imports of module `replicode_contract_v1`, and what a transaction is made with. docs/contracts.md
 * describes them. All functions answer a result >= 0, or the negative of an error number of <errno.h>: ENOTSUP where the
 * cell has no contracts. */
#ifndef REPLICODE_CONTRACT_V1_H
#define REPLICODE_CONTRACT_V1_H

#include <stdint.h>
#include <string.h>

#define REPLICODE_CONTRACT_V1(name) __attribute__((import_module("replicode_contract_v1"), import_name(name)))

#define REPLICODE_ADDRESS 20
#define REPLICODE_ACCOUNT 97
#define REPLICODE_ROOT 72
#define REPLICODE_DONT_WAIT 1

/* Hands a transaction to the cell; answers a ticket. With `event` >= 0, an eventfd of this program counts the answer. */
REPLICODE_CONTRACT_V1("submit")
int32_t replicode_contract_submit(const void *transaction, uint32_t len, int32_t event);
/* Waits for a ticket's receipt (docs/formats/receipt.md) and gives the ticket back; answers the receipt's size. With `len` 0 it answers
 * the size and keeps the ticket; ERANGE: there is less room. */
REPLICODE_CONTRACT_V1("wait")
int32_t replicode_contract_wait(uint32_t ticket, void *receipt, uint32_t len, uint32_t flags);
/* Runs a function that changes nothing. The answer is a byte 1 and what it has returned, or a byte 0 and its status as in a receipt. */
REPLICODE_CONTRACT_V1("view")
int32_t replicode_contract_view(const uint8_t *account, const char *function, uint32_t function_len, const void *arguments,
                                uint32_t arguments_len, uint64_t gas, void *answer, uint32_t len);
/* What an account has, REPLICODE_ACCOUNT bytes: nonce u64, balance u128, accounts spawned u64, whether it has code u8, its template 32,
 * its state 32; numbers little-endian. */
REPLICODE_CONTRACT_V1("account")
int32_t replicode_contract_account(const uint8_t *account, void *answer, uint32_t len);
/* The address of a name's account, REPLICODE_ADDRESS bytes. */
REPLICODE_CONTRACT_V1("address")
int32_t replicode_contract_address(const char *name, uint32_t len, uint8_t *address);
/* The last batch with calls before this one, REPLICODE_ROOT bytes: batch u64, root 32, digest 32; zeros before the first. */
REPLICODE_CONTRACT_V1("state_root") int32_t replicode_contract_state_root(uint8_t *root);

/* Bytes of a number, little-endian. */
static inline uint8_t *replicode_contract_put(uint8_t *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        *out++ = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
    return out;
}

static inline uint8_t *replicode_contract_put_bytes(uint8_t *out, const void *bytes, uint32_t len) {
    memcpy(replicode_contract_put(out, len, 4), bytes, len);
    return out + 4 + len;
}

/* A transaction of the account of a name: one call, without money. For cells that trust names. `out` has room for 160 bytes besides the
 * texts and the arguments; answers the length. */
static inline uint32_t replicode_contract_call(uint8_t *out, const char *name, const uint8_t *principal, uint64_t nonce, uint64_t gas,
                                               const uint8_t *account, const char *function, const void *arguments,
                                               uint32_t arguments_len) {
    uint8_t *at = out;
    *at++ = 1;
    memcpy(at, principal, REPLICODE_ADDRESS);
    at = replicode_contract_put(at + REPLICODE_ADDRESS, nonce, 8);
    at = replicode_contract_put(at, gas, 8);
    at = replicode_contract_put(at, 0, 8);
    at = replicode_contract_put(at, 1, 4);
    *at++ = 0;
    memcpy(at, account, REPLICODE_ADDRESS);
    at = replicode_contract_put_bytes(at + REPLICODE_ADDRESS, function, (uint32_t)strlen(function));
    at = replicode_contract_put_bytes(at, arguments, arguments_len);
    at = replicode_contract_put(at, 0, 16);
    *at++ = 1;
    at = replicode_contract_put_bytes(at, name, (uint32_t)strlen(name));
    return (uint32_t)(at - out);
}

/* Whether a receipt says that all went well. */
static inline int replicode_contract_success(const uint8_t *receipt) { return receipt[45] == 0; }

#endif
