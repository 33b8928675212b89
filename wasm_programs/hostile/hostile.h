/* hostile: what the files of this guest share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "imports.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

enum { ROOT = 3 }; /* the directory every program is given */

/* Prints "ok CASE: WHAT" when got is one of the wanted error numbers (0: success), "BAD ..." otherwise. Results of
 * replicode_sock_v1 are negative error numbers: both signs are understood. */
void expect_one_of(const char *what, int got, const int *wanted, size_t count);
#define EXPECT(what, got, ...)                                                                                         \
    do {                                                                                                               \
        const int wanted_[] = {__VA_ARGS__};                                                                           \
        expect_one_of(what, got, wanted_, sizeof wanted_ / sizeof *wanted_);                                           \
    } while (0)
void expect_true(const char *what, bool holds);

#define at(p) ((ptr)(uintptr_t)(p))
/* An address whose first bytes are inside the memory, and whose last are not. */
static inline ptr edge(void) { return (ptr)(__builtin_wasm_memory_size(0) * 65536 - 1); }

uint32_t make_file(const char *name); /* creates or empties a file of 8 bytes, at position 0; answers its descriptor */
void remove_file(const char *name);
uint64_t position(uint32_t fd);
int listener(uint16_t port);

/* pointers.c */
void case_fault(void);
void case_iovec(void);
/* numbers.c */
void case_badf(void);
void case_fds(void);
void case_renumber(void);
void case_random(void);
void case_poll(void);
void case_files(void);
void case_sockets(void);

#endif
