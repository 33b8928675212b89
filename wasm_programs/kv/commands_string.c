/* Strings and counters. */
#include "kv.h"

#include <string.h>

static void store(struct entry *e, struct slice value) {
    if (e->type != TYPE_STRING)
        entry_become(e, TYPE_STRING);
    buffer_set(&e->value.string, value);
}

/* Sets the key whatever it was before, and makes it last. */
static struct entry *put(struct slice key, struct slice value) {
    bool created;
    struct entry *e = db_find_or_add(key, TYPE_STRING, &created);
    store(e, value);
    expire_never(e);
    return e;
}

/* Whether a string can be answered that is going to be lost with the answer; answered when not. */
static bool can_reply(struct request *r, const struct entry *e) {
    return reply_ready(r->out, e ? e->value.string.len : 0, 1);
}

static void reply_string(struct buffer *out, const struct entry *e) {
    if (e == NULL)
        reply_nil(out);
    else
        reply_bulk(out, slice_of(&e->value.string));
}

/* ---- SET and its older forms ------------------------------------------------------------------------------------- */

struct set_options {
    bool nx, xx, get, keep_ttl, expires;
    int64_t expire_ms; /* absolute */
};

static bool bad_expire_time(struct request *r) {
    char name[17];
    size_t i = 0;
    for (; r->command->name[i]; i++)
        name[i] = (char)(r->command->name[i] | 0x20);
    name[i] = '\0';
    reply_error(r->out, "ERR invalid expire time in '%s' command", name);
    return false;
}

/* Reads a time to live (or, when `absolute`, a time) of at least 1; false when it answered an error. */
static bool read_expire(struct request *r, size_t index, bool seconds, bool absolute, int64_t *ms) {
    int64_t value;
    if (!arg_int(r, index, &value))
        return false;
    if (value <= 0 || (seconds && value > INT64_MAX / 1000))
        return bad_expire_time(r);
    if (seconds)
        value *= 1000;
    if (!absolute && value > INT64_MAX - clock_ms())
        return bad_expire_time(r);
    *ms = absolute ? value : clock_ms() + value;
    return true;
}

static bool read_set_options(struct request *r, struct set_options *o) {
    size_t expire_index = 0;
    bool seconds = false, absolute = false;

    for (size_t i = 3; i < r->argc; i++) {
        struct slice a = r->argv[i];
        bool ex = slice_equal_nocase(a, "EX"), px = slice_equal_nocase(a, "PX");
        bool exat = slice_equal_nocase(a, "EXAT"), pxat = slice_equal_nocase(a, "PXAT");
        bool fits = true;
        if (slice_equal_nocase(a, "NX") && !o->xx) {
            o->nx = true;
        } else if (slice_equal_nocase(a, "XX") && !o->nx) {
            o->xx = true;
        } else if (slice_equal_nocase(a, "GET")) {
            o->get = true;
        } else if (slice_equal_nocase(a, "KEEPTTL") && !o->expires) {
            o->keep_ttl = true;
        } else if ((ex || px || exat || pxat) && !o->keep_ttl && i + 1 < r->argc &&
                   (!o->expires || (seconds == (ex || exat) && absolute == (exat || pxat)))) {
            o->expires = true; /* the same option may come again: the last one counts */
            expire_index = ++i;
            seconds = ex || exat;
            absolute = exat || pxat;
        } else {
            fits = false;
        }
        if (!fits) {
            reply_syntax_error(r->out);
            return false;
        }
    }
    return !o->expires || read_expire(r, expire_index, seconds, absolute, &o->expire_ms);
}

static void set(struct request *r) {
    struct set_options o = {0};
    bool created;

    if (r->argc == 3) { /* the common case looks the key up once */
        put(r->argv[1], r->argv[2]);
        reply_simple(r->out, "OK");
        return;
    }
    if (!read_set_options(r, &o))
        return;
    struct entry *old = db_find(r->argv[1]);
    if (o.get) {
        if (old != NULL && old->type != TYPE_STRING) {
            reply_wrong_type(r->out);
            return;
        }
        if (!can_reply(r, old))
            return;
    }
    if (o.expires && !expire_ready()) {
        reply_out_of_memory(r->out);
        return;
    }
    if (o.get)
        reply_string(r->out, old);
    if ((o.nx && old != NULL) || (o.xx && old == NULL)) {
        if (!o.get)
            reply_nil(r->out);
        return;
    }
    struct entry *e = old != NULL ? old : db_find_or_add(r->argv[1], TYPE_STRING, &created);
    store(e, r->argv[2]);
    if (o.expires)
        expire_at(e, o.expire_ms);
    else if (!o.keep_ttl)
        expire_never(e);
    if (!o.get)
        reply_simple(r->out, "OK");
}

static void setnx(struct request *r) {
    bool absent = db_find(r->argv[1]) == NULL;
    if (absent)
        put(r->argv[1], r->argv[2]);
    reply_int(r->out, absent);
}

static void set_expiring(struct request *r, bool seconds) {
    int64_t ms;
    if (!read_expire(r, 2, seconds, false, &ms))
        return;
    if (!expire_ready()) {
        reply_out_of_memory(r->out);
        return;
    }
    expire_at(put(r->argv[1], r->argv[3]), ms);
    reply_simple(r->out, "OK");
}

static void setex(struct request *r) { set_expiring(r, true); }
static void psetex(struct request *r) { set_expiring(r, false); }

static void mset(struct request *r) {
    if (r->argc % 2 == 0) {
        reply_wrong_arity(r);
        return;
    }
    for (size_t i = 1; i < r->argc; i += 2)
        put(r->argv[i], r->argv[i + 1]);
    reply_simple(r->out, "OK");
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void get(struct request *r) {
    struct entry *e;
    if (find_typed(r, r->argv[1], TYPE_STRING, &e))
        reply_string(r->out, e);
}

static void getset(struct request *r) {
    struct entry *e;
    if (!find_typed(r, r->argv[1], TYPE_STRING, &e))
        return;
    if (!can_reply(r, e))
        return;
    reply_string(r->out, e);
    put(r->argv[1], r->argv[2]);
}

static void getdel(struct request *r) {
    struct entry *e;
    if (!find_typed(r, r->argv[1], TYPE_STRING, &e))
        return;
    if (!can_reply(r, e))
        return;
    reply_string(r->out, e);
    if (e != NULL)
        db_delete(r->argv[1]);
}

static void mget(struct request *r) {
    reply_array(r->out, r->argc - 1);
    for (size_t i = 1; i < r->argc; i++) {
        struct entry *e = db_find(r->argv[i]);
        reply_string(r->out, e != NULL && e->type == TYPE_STRING ? e : NULL);
    }
}

static void strlen_(struct request *r) {
    struct entry *e;
    if (find_typed(r, r->argv[1], TYPE_STRING, &e))
        reply_int(r->out, e ? (int64_t)e->value.string.len : 0);
}

/* ---- changing in place ------------------------------------------------------------------------------------------- */

/* Makes room behind a string: twice as much as it has, or else just enough; false when there is no memory for that. */
static bool lengthen(struct buffer *b, size_t more) {
    if (more <= b->cap - b->len)
        return true;
    if (memory_besides(2 * (b->len + more)))
        return buffer_reserve(b, more);
    if (!memory_besides(b->len + more))
        return false;
    struct buffer exact = {0};
    if (!buffer_reserve(&exact, b->len + more))
        return false;
    buffer_append(&exact, b->data, b->len);
    buffer_free(b);
    *b = exact;
    return true;
}

static void append(struct request *r) {
    struct entry *e;
    if (!find_typed(r, r->argv[1], TYPE_STRING, &e))
        return;
    if ((e ? e->value.string.len : 0) + r->argv[2].len > settings.max_bulk) {
        reply_error(r->out, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return;
    }
    if (e == NULL)
        e = put(r->argv[1], (struct slice){"", 0});
    else if (!lengthen(&e->value.string, r->argv[2].len)) {
        reply_out_of_memory(r->out);
        return;
    }
    buffer_append(&e->value.string, r->argv[2].data, r->argv[2].len);
    reply_int(r->out, (int64_t)e->value.string.len);
}

static void increase(struct request *r, int64_t by) {
    struct entry *e;
    int64_t value = 0;
    char text[20];
    bool created;

    if (!find_or_add_typed(r, r->argv[1], TYPE_STRING, &e, &created))
        return;
    if (!created && !parse_int(slice_of(&e->value.string), &value)) {
        reply_error(r->out, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        reply_error(r->out, "ERR increment or decrement would overflow");
        return;
    }
    buffer_set(&e->value.string, (struct slice){text, format_int(text, value)});
    reply_int(r->out, value);
}

static void incr(struct request *r) { increase(r, 1); }
static void decr(struct request *r) { increase(r, -1); }

static void incrby(struct request *r) {
    int64_t by;
    if (arg_int(r, 2, &by))
        increase(r, by);
}

static void decrby(struct request *r) {
    int64_t by;
    if (!arg_int(r, 2, &by))
        return;
    if (by == INT64_MIN)
        reply_error(r->out, "ERR decrement would overflow");
    else
        increase(r, -by);
}

const struct command string_commands[] = {
    {"GET", 2, 1, 1, 1, get, false},
    {"SET", -3, 1, 1, 1, set, true},
    {"SETNX", 3, 1, 1, 1, setnx, true},
    {"SETEX", 4, 1, 1, 1, setex, true},
    {"PSETEX", 4, 1, 1, 1, psetex, true},
    {"MSET", -3, 1, -1, 2, mset, true},
    {"MGET", -2, 1, -1, 1, mget, false},
    {"GETSET", 3, 1, 1, 1, getset, true},
    {"GETDEL", 2, 1, 1, 1, getdel, false},
    {"STRLEN", 2, 1, 1, 1, strlen_, false},
    {"APPEND", 3, 1, 1, 1, append, true},
    {"INCR", 2, 1, 1, 1, incr, true},
    {"DECR", 2, 1, 1, 1, decr, true},
    {"INCRBY", 3, 1, 1, 1, incrby, true},
    {"DECRBY", 3, 1, 1, 1, decrby, true},
    {NULL, 0, 0, 0, 0, NULL, false},
};
