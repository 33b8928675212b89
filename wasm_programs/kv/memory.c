/* Memory when it gets scarce: a request that does not fit is refused, and the program goes on.
 *
 * How much there is nobody can ask: a guest's memory grows until its runtime says no. So a command that stores something
 * is run only when the heap has one free piece as large as all that it needs. Reading and deleting go on without: memory
 * is kept for requests being received, replies and connections, and given up when they would fail otherwise. Until it
 * could be had again nothing is stored. If that is gone, too, it is one reply or one connection that fails. */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESERVE = 4 << 20,
    ENOUGH = RESERVE - RESERVE / 16, /* something may live where a part of it was */
    LEAST_PIECE = 4096,
};

static size_t promised; /* to the running command */

/* In one piece at first. When it was given up and used for something that stays, it is what can be had around that: the
 * largest pieces, so that stored data gets none of it. */
static struct piece {
    struct piece *next;
} *reserve;
static size_t held;

static bool reserve_held(void) {
    for (size_t size = RESERVE; held < ENOUGH && size >= LEAST_PIECE;) {
        struct piece *p = held + size <= RESERVE ? heap_alloc(size) : NULL;
        if (p == NULL) {
            size /= 2;
            continue;
        }
        p->next = reserve;
        reserve = p;
        held += size;
    }
    return held >= ENOUGH;
}

/* False when there is none. */
static bool give_up_reserve(void) {
    if (reserve == NULL)
        return false;
    while (reserve != NULL) {
        struct piece *next = reserve->next;
        heap_free(reserve);
        reserve = next;
    }
    held = 0;
    return true;
}

bool memory_scarce(void) { return held < ENOUGH; }

void *try_alloc(size_t size) {
    void *p = heap_alloc(size);
    return p != NULL || !give_up_reserve() ? p : heap_alloc(size);
}

void *try_alloc_zeroed(size_t count, size_t size) {
    void *p = try_alloc(count * size);
    return p ? memset(p, 0, count * size) : NULL;
}

void *try_alloc_again(void *old, size_t size) {
    void *p = heap_again(old, size);
    return p != NULL || !give_up_reserve() ? p : heap_again(old, size);
}

void *try_alloc_spare(void *old, size_t size) { return heap_again(old, size); }

void release(void *p) { heap_free(p); }

static void *or_die(void *p) {
    if (p == NULL) {
        fprintf(stderr, "kv: out of memory\n");
        exit(1);
    }
    return p;
}

void *alloc(size_t size) { return or_die(try_alloc(size)); }

void *alloc_zeroed(size_t count, size_t size) { return or_die(try_alloc_zeroed(count, size)); }

bool memory_for(size_t size) {
    promised = size;
    return size == 0 || (size <= SIZE_MAX / 8 && reserve_held() && heap_ensure(size));
}

bool memory_besides(size_t size) { return size <= SIZE_MAX / 8 && reserve_held() && heap_ensure(promised + size); }

bool memory_promised(void) { return promised > 0; }
