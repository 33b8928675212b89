/* The key space, and when keys expire.
 *
 * A min-heap holds the keys that expire, so the server knows when to wake, and does not wake when there are none. A key
 * whose time has passed is also never seen by a command, whether or not it was deleted yet. */
#include "kv.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

struct map db;

struct deadline {
    int64_t ms;
    struct entry *entry;
};

static struct deadline *heap; /* from 1: entry->expiry is the place in it, and 0 means none */
static size_t heap_count, heap_cap;

/* ---- clock ------------------------------------------------------------------------------------------------------- */

static int64_t now;
static bool now_known;

int64_t clock_ms(void) {
    if (!now_known) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
        now_known = true;
    }
    return now;
}

void clock_forget(void) { now_known = false; }

/* ---- heap -------------------------------------------------------------------------------------------------------- */

static void place(size_t at, struct deadline d) {
    heap[at] = d;
    d.entry->expiry = (uint32_t)at;
}

/* Puts d, for which `at` is free, where it belongs on the way up or down from there. */
static void settle(size_t at, struct deadline d) {
    while (at > 1 && heap[at / 2].ms > d.ms) {
        place(at, heap[at / 2]);
        at /= 2;
    }
    for (;;) {
        size_t child = at * 2;
        if (child + 1 <= heap_count && heap[child + 1].ms < heap[child].ms)
            child++;
        if (child > heap_count || heap[child].ms >= d.ms)
            break;
        place(at, heap[child]);
        at = child;
    }
    place(at, d);
}

bool expire_ready(void) {
    if (heap_count + 1 < heap_cap)
        return true;
    size_t cap = heap_cap ? heap_cap * 2 : 64;
    struct deadline *larger = memory_besides(cap * sizeof *heap) ? try_alloc_again(heap, cap * sizeof *heap) : NULL;
    if (larger == NULL)
        return false;
    heap = larger;
    heap_cap = cap;
    return true;
}

void expire_at(struct entry *e, int64_t ms) {
    size_t at = e->expiry;
    if (at == 0)
        at = ++heap_count;
    settle(at, (struct deadline){ms, e});
}

void expire_never(struct entry *e) {
    size_t at = e->expiry;
    if (at == 0)
        return;
    e->expiry = 0;
    struct deadline last = heap[heap_count--];
    if (last.entry != e)
        settle(at, last);
}

int64_t expire_time(const struct entry *e) { return e->expiry ? heap[e->expiry].ms : -1; }

size_t expire_count(void) { return heap_count; }

void expire_due(size_t limit) {
    while (heap_count > 0 && limit-- > 0 && heap[1].ms <= clock_ms())
        db_delete(entry_key(heap[1].entry));
}

int expire_timeout(void) {
    if (heap_count == 0)
        return -1;
    int64_t wait = heap[1].ms - clock_ms();
    return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static void free_value(struct entry *e) {
    switch (e->type) {
    case TYPE_STRING:
        buffer_free(&e->value.string);
        break;
    case TYPE_LIST:
        list_free(e->value.list);
        break;
    case TYPE_HASH:
    case TYPE_SET:
        map_free(e->value.map, entry_free);
        release(e->value.map);
        break;
    }
}

void entry_free(struct entry *e) {
    free_value(e);
    release(e);
}

void entry_become(struct entry *e, enum type type) {
    free_value(e);
    e->type = type;
    switch (type) {
    case TYPE_STRING:
        e->value.string = (struct buffer){0};
        break;
    case TYPE_LIST:
        e->value.list = alloc_zeroed(1, sizeof *e->value.list);
        break;
    case TYPE_HASH:
    case TYPE_SET:
        e->value.map = alloc_zeroed(1, sizeof *e->value.map);
        break;
    }
}

struct entry *db_find(struct slice key) {
    struct entry *e = map_find(&db, key);
    if (e != NULL && e->expiry != 0 && heap[e->expiry].ms <= clock_ms()) {
        db_delete(key);
        return NULL;
    }
    return e;
}

struct entry *db_find_or_add(struct slice key, enum type type, bool *created) {
    struct entry *e = map_find_or_add(&db, key, created);
    if (e->expiry != 0 && heap[e->expiry].ms <= clock_ms()) {
        expire_never(e);
        *created = true;
        entry_become(e, type);
    } else if (*created && type != TYPE_STRING) {
        entry_become(e, type);
    }
    return e;
}

bool db_delete(struct slice key) {
    struct entry *e = map_take(&db, key);
    if (e == NULL)
        return false;
    bool expired = e->expiry != 0 && heap[e->expiry].ms <= clock_ms();
    expire_never(e);
    entry_free(e); /* key may have pointed into it: not to be used after this */
    return !expired;
}

void db_clear(void) {
    heap_count = 0;
    map_free(&db, entry_free);
}
