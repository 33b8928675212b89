/* Contracts in C: one header, on the host's functions of svm.h.
 *
 *     static ARGUMENTS(transfer, { address to; u128 amount; });
 *     CALL(transfer)
 *     {
 *         READ(transfer);
 *         ...
 *         RETURN(sum);
 *     }
 *
 * The document (NAME.contract.json) says the same as the code: functions, arguments in their order, errors by code, events by place,
 * variables by slice. Values are laid down as borsh has them, which for numbers, addresses and structs of them is as they lie in a packed
 * struct. Memory is zero when a call begins and gone when it ends. */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "svm.h"

typedef unsigned __int128 u128;
typedef __int128 i128;
typedef struct { uint8_t bytes[20]; } address;
typedef uint8_t boolean;

/* What clang may ask for when it copies or clears. */
__attribute__((weak)) void *memcpy(void *to, const void *from, __SIZE_TYPE__ count)
{
    for (__SIZE_TYPE__ i = 0; i < count; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

__attribute__((weak)) void *memset(void *to, int byte, __SIZE_TYPE__ count)
{
    for (__SIZE_TYPE__ i = 0; i < count; i++)
        ((volatile uint8_t *)to)[i] = (uint8_t)byte;
    return to;
}

/* Functions, their arguments, what they return. */
#define CALL(name) SVM_EXPORT(name)
#define PACKED struct __attribute__((packed))
#define ARGUMENTS(name, fields) PACKED fields name##_args
#define READ(name) svm_input(0, svm_at(&name##_args), sizeof name##_args)
#define RETURN(what)                                       \
    do {                                                   \
        __typeof__(what) returned_ = (what);               \
        svm_output(svm_at(&returned_), sizeof returned_);  \
        return;                                            \
    } while (0)

/* Ends the call, with an error of the document and its fields, or with a message as a panic. */
_Noreturn static inline void fail_with(uint32_t code, const void *fields, uint32_t length)
{
    svm_revert(code, svm_at(fields), length);
    __builtin_unreachable();
}
#define FAIL(code) fail_with((code), 0, 0)
#define FAIL_WITH(code, fields, ...)                       \
    do {                                                   \
        PACKED fields failed_ = { __VA_ARGS__ };           \
        fail_with((code), &failed_, sizeof failed_);       \
    } while (0)
#define PANIC(message) fail_with(0xffffffff, "" message, sizeof(message) - 1)

/* Tells whoever listens: an event by its place in the document, with its fields; kept as long as the cell keeps events. */
#define EMIT(event, fields, ...)                           \
    do {                                                   \
        PACKED fields emitted_ = { __VA_ARGS__ };          \
        svm_emit((event), 0, svm_at(&emitted_), sizeof emitted_); \
    } while (0)

/* Variables, by their slices. */
#define GET(slice, type)                                   \
    ({                                                     \
        type got_;                                         \
        svm_load((slice), 0, svm_at(&got_), sizeof got_);  \
        got_;                                              \
    })
#define SET(slice, what)                                   \
    do {                                                   \
        __typeof__(what) set_ = (what);                    \
        svm_store((slice), 0, svm_at(&set_), sizeof set_); \
    } while (0)

/* Who, when, with what. */
static inline address sender(void)
{
    address it;
    svm_sender(svm_at(&it));
    return it;
}

static inline address own_address(void)
{
    address it;
    svm_address(svm_at(&it));
    return it;
}

static inline u128 value_sent(void)
{
    u128 it;
    svm_value(svm_at(&it));
    return it;
}

static inline u128 balance_of_account(address whom)
{
    u128 it;
    svm_balance(svm_at(&whom), svm_at(&it));
    return it;
}

static inline int pay(address whom, u128 amount)
{
    return svm_transfer(svm_at(&whom), (uint64_t)amount, (uint64_t)(amount >> 64));
}

static inline int same(const address *a, const address *b)
{
    for (unsigned i = 0; i < sizeof a->bytes; i++)
        if (a->bytes[i] != b->bytes[i])
            return 0;
    return 1;
}

/* Counters in a map: additions commute. */
static const i128 NOT_NEGATIVE[2] = { 0, (i128)(((u128)1 << 127) - 1) };

static inline u128 map_sum(uint32_t map, address key)
{
    u128 sum = 0;
    svm_map_get(map, svm_at(&key), sizeof key, svm_at(&sum), sizeof sum);
    return sum;
}

static inline int map_change(uint32_t map, address key, i128 delta)
{
    return svm_map_try_add(map, (uint64_t)delta, (uint64_t)(delta >> 64), svm_at(NOT_NEGATIVE), svm_at(&key), sizeof key);
}

/* Adds to the counter under a key, or subtracts, unless it would fall below zero or leave 127 bits: whether it did. */
static inline int map_add(uint32_t map, address key, u128 amount)
{
    return !(amount >> 127) && map_change(map, key, (i128)amount);
}

static inline int map_sub(uint32_t map, address key, u128 amount)
{
    return !(amount >> 127) && map_change(map, key, -(i128)amount);
}

#endif
