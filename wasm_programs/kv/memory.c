/* Memory when it gets scarce: a request that does not fit is refused, and the program goes on.
 *
 * How much there is nobody can ask: a guest's memory grows until its runtime says no. So a command that stores something
 * is run only when the heap has one free piece as large as all that it needs, and RESERVE beyond. What reads and deletes
 * may use the reserve; if that is gone, too, it is one reply or one connection that fails. */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESERVE = 4 << 20 }; /* not for stored data: requests being received, replies, connections */

static size_t promised; /* to the running command */

void *try_alloc(size_t size) { return heap_alloc(size); }

void *try_alloc_zeroed(size_t count, size_t size) {
    void *p = heap_alloc(count * size);
    return p ? memset(p, 0, count * size) : NULL;
}

void *try_alloc_again(void *old, size_t size) { return heap_again(old, size); }

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
    return size == 0 || (size <= SIZE_MAX / 8 && heap_ensure(size + RESERVE));
}

bool memory_besides(size_t size) { return size <= SIZE_MAX / 8 && heap_ensure(promised + size + RESERVE); }
