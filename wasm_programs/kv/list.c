/* The deque behind lists: a ring of byte strings, so that both ends and any index cost the same. */
#include "kv.h"

#include <stdlib.h>
#include <string.h>

struct item *list_at(struct list *l, size_t index) { return &l->ring[(l->head + index) & (l->cap - 1)]; }

/* Copies the items in order into a ring of another size. */
static void resize(struct list *l, size_t cap) {
    struct item *ring = alloc(cap * sizeof *ring);
    for (size_t i = 0; i < l->count; i++)
        ring[i] = *list_at(l, i);
    free(l->ring);
    l->ring = ring;
    l->head = 0;
    l->cap = cap;
}

void list_push(struct list *l, struct slice s, bool front) {
    if (l->count == l->cap)
        resize(l, l->cap ? l->cap * 2 : 4);
    if (front)
        l->head = (l->head - 1) & (l->cap - 1);
    struct item *item = list_at(l, front ? 0 : l->count);
    item->data = alloc(s.len);
    item->len = s.len;
    memcpy(item->data, s.data, s.len);
    l->count++;
}

struct item list_pop(struct list *l, bool front) {
    struct item item = *list_at(l, front ? 0 : l->count - 1);
    if (front)
        l->head = (l->head + 1) & (l->cap - 1);
    l->count--;
    if (l->cap > 64 && l->count < l->cap / 8)
        resize(l, l->cap / 2);
    return item;
}

void list_free(struct list *l) {
    for (size_t i = 0; i < l->count; i++)
        free(list_at(l, i)->data);
    free(l->ring);
    free(l);
}
