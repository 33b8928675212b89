/* The deque behind lists: a ring of byte strings, so that both ends and any index cost the same. */
#include "kv.h"

#include <stdlib.h>
#include <string.h>

struct item *list_at(struct list *l, size_t index) { return &l->ring[(l->head + index) & (l->cap - 1)]; }

/* Copies the items in order into a ring of another size; false when there is no memory for that. */
static bool resize(struct list *l, size_t cap) {
    struct item *ring = memory_besides(cap * sizeof *ring) ? try_alloc(cap * sizeof *ring) : NULL;
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < l->count; i++)
        ring[i] = *list_at(l, i);
    release(l->ring);
    l->ring = ring;
    l->head = 0;
    l->cap = cap;
    return true;
}

bool list_reserve(struct list *l, size_t more) {
    size_t cap = l->cap ? l->cap : 4;
    while (cap - l->count < more)
        cap *= 2;
    return cap == l->cap || resize(l, cap);
}

void list_push(struct list *l, struct slice s, bool front) {
    if (front)
        l->head = (l->head - 1) & (l->cap - 1);
    struct item *item = list_at(l, front ? 0 : l->count);
    item->data = alloc(s.len);
    item->len = s.len;
    if (s.len > 0)
        memcpy(item->data, s.data, s.len);
    l->count++;
}

struct item list_pop(struct list *l, bool front) {
    struct item item = *list_at(l, front ? 0 : l->count - 1);
    if (front)
        l->head = (l->head + 1) & (l->cap - 1);
    l->count--;
    if (l->cap > 64 && l->count < l->cap / 8)
        resize(l, l->cap / 2); /* if not, it stays as large as it is */
    return item;
}

void list_free(struct list *l) {
    for (size_t i = 0; i < l->count; i++)
        release(list_at(l, i)->data);
    release(l->ring);
    release(l);
}
