/* Lists. */
#include "kv.h"

#include <stdlib.h>

static void push(struct request *r, bool front, bool only_existing) {
    struct entry *e;
    bool created = false;
    if (only_existing) {
        if (!find_typed(r, r->argv[1], TYPE_LIST, &e))
            return;
        if (e == NULL) {
            reply_int(r->out, 0);
            return;
        }
    } else if (!find_or_add_typed(r, r->argv[1], TYPE_LIST, &e, &created)) {
        return;
    }
    if (!list_reserve(e->value.list, r->argc - 2)) {
        if (created)
            db_delete(r->argv[1]);
        reply_out_of_memory(r->out);
        return;
    }
    for (size_t i = 2; i < r->argc; i++)
        list_push(e->value.list, r->argv[i], front);
    reply_int(r->out, (int64_t)e->value.list->count);
}

static void lpush(struct request *r) { push(r, true, false); }
static void rpush(struct request *r) { push(r, false, false); }
static void lpushx(struct request *r) { push(r, true, true); }
static void rpushx(struct request *r) { push(r, false, true); }

static void pop(struct request *r, bool front) {
    struct entry *e;
    int64_t count = 1;
    bool many = r->argc == 3;

    if (r->argc > 3) {
        reply_wrong_arity(r);
        return;
    }
    if (many && (!parse_int(r->argv[2], &count) || count < 0)) {
        reply_error(r->out, "ERR value is out of range, must be positive");
        return;
    }
    if (!find_typed(r, r->argv[1], TYPE_LIST, &e))
        return;
    if (e == NULL) {
        if (many)
            reply_nil_array(r->out);
        else
            reply_nil(r->out);
        return;
    }
    struct list *l = e->value.list;
    if ((uint64_t)count > l->count)
        count = (int64_t)l->count;
    size_t bytes = 0;
    for (int64_t i = 0; i < count; i++)
        bytes += list_at(l, front ? (size_t)i : l->count - 1 - (size_t)i)->len;
    if (!reply_ready(r->out, bytes, (size_t)count))
        return;
    if (many)
        reply_array(r->out, (size_t)count);
    for (; count > 0; count--) {
        struct item item = list_pop(l, front);
        reply_bulk(r->out, (struct slice){item.data, item.len});
        release(item.data);
    }
    if (l->count == 0)
        db_delete(r->argv[1]);
}

static void lpop(struct request *r) { pop(r, true); }
static void rpop(struct request *r) { pop(r, false); }

static void llen(struct request *r) {
    struct entry *e;
    if (find_typed(r, r->argv[1], TYPE_LIST, &e))
        reply_int(r->out, e ? (int64_t)e->value.list->count : 0);
}

static void lrange(struct request *r) {
    struct entry *e;
    int64_t start, stop;

    if (!arg_int(r, 2, &start) || !arg_int(r, 3, &stop) || !find_typed(r, r->argv[1], TYPE_LIST, &e))
        return;
    int64_t count = e ? (int64_t)e->value.list->count : 0;
    if (start < 0)
        start = start < -count ? 0 : start + count;
    if (stop < 0)
        stop += count;
    if (stop >= count)
        stop = count - 1;
    if (start > stop || start >= count) {
        reply_array(r->out, 0);
        return;
    }
    reply_array(r->out, (size_t)(stop - start + 1));
    for (int64_t i = start; i <= stop; i++) {
        struct item *item = list_at(e->value.list, (size_t)i);
        reply_bulk(r->out, (struct slice){item->data, item->len});
    }
}

static void lindex(struct request *r) {
    struct entry *e;
    int64_t index;

    if (!find_typed(r, r->argv[1], TYPE_LIST, &e))
        return;
    if (e == NULL) {
        reply_nil(r->out);
        return;
    }
    if (!arg_int(r, 2, &index))
        return;
    int64_t count = (int64_t)e->value.list->count;
    if (index < 0)
        index += count;
    if (index < 0 || index >= count) {
        reply_nil(r->out);
        return;
    }
    struct item *item = list_at(e->value.list, (size_t)index);
    reply_bulk(r->out, (struct slice){item->data, item->len});
}

const struct command list_commands[] = {
    {"LPUSH", -3, 1, 1, 1, lpush, true},
    {"RPUSH", -3, 1, 1, 1, rpush, true},
    {"LPUSHX", -3, 1, 1, 1, lpushx, true},
    {"RPUSHX", -3, 1, 1, 1, rpushx, true},
    {"LPOP", -2, 1, 1, 1, lpop, false},
    {"RPOP", -2, 1, 1, 1, rpop, false},
    {"LLEN", 2, 1, 1, 1, llen, false},
    {"LRANGE", 4, 1, 1, 1, lrange, false},
    {"LINDEX", 3, 1, 1, 1, lindex, false},
    {NULL, 0, 0, 0, 0, NULL, false},
};
