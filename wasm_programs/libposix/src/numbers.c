/* strtol and its kin. libc's own stop at the digit that makes a number too large; the end that they tell must lie behind all digits,
 * or a program that reads the rest of the line reads digits. */
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "internal.h"

static unsigned digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 'a' - 'A';
    return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a' + 10) : UINT_MAX;
}

/* What is read, as a magnitude that at most becomes `limit`, or `limit_below` of a negative number; beyond that it is the limit, and
 * ERANGE. `end` is where the number ends, or the beginning when there is none. */
static unsigned long long scan(const char *text, char **end, int base, unsigned long long limit, unsigned long long limit_below, int wraps) {
    const char *at = text;
    unsigned long long value = 0;
    int negative = 0, any = 0, large = 0;

    if (end != NULL)
        *end = (char *)text;
    if (base < 0 || base == 1 || base > 36) {
        errno = EINVAL;
        return 0;
    }
    while (isspace((unsigned char)*at))
        at++;
    if (*at == '-' || *at == '+')
        negative = *at++ == '-';
    if ((base == 0 || base == 16) && at[0] == '0' && (at[1] | ('a' - 'A')) == 'x' && digit(at[2]) < 16) {
        at += 2;
        base = 16;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    if (negative)
        limit = limit_below;
    for (unsigned next; (next = digit(*at)) < (unsigned)base; at++, any = 1) {
        if (value > (limit - next) / base)
            large = 1;
        else
            value = value * base + next;
    }
    if (any && end != NULL)
        *end = (char *)at;
    if (large) {
        errno = ERANGE;
        return negative && wraps ? limit : negative ? -limit : limit; /* of an unsigned kind the largest, whatever the sign */
    }
    return negative ? -value : value;
}

#define SIGNED(name, type, max)                                                                                                           \
    type name(const char *restrict text, char **restrict end, int base) { return (type)scan(text, end, base, max, (unsigned long long)max + 1, 0); } \
    type __##name##_internal(const char *restrict text, char **restrict end, int base) { return name(text, end, base); }
#define UNSIGNED(name, type, max)                                                                                                         \
    type name(const char *restrict text, char **restrict end, int base) { return (type)scan(text, end, base, max, max, 1); }               \
    type __##name##_internal(const char *restrict text, char **restrict end, int base) { return name(text, end, base); }

SIGNED(strtol, long, LONG_MAX)
SIGNED(strtoll, long long, LLONG_MAX)
SIGNED(strtoimax, intmax_t, INTMAX_MAX)
UNSIGNED(strtoul, unsigned long, ULONG_MAX)
UNSIGNED(strtoull, unsigned long long, ULLONG_MAX)
UNSIGNED(strtoumax, uintmax_t, UINTMAX_MAX)
