/* Commands on keys of any type: existence, expiry, iteration. */
#include "kv.h"

#include <string.h>

static const char *type_name(const struct entry *e) {
    switch (e->type) {
    case TYPE_STRING: return "string";
    case TYPE_LIST: return "list";
    case TYPE_HASH: return "hash";
    case TYPE_SET: return "set";
    }
    return "none";
}

static void del(struct request *r) {
    int64_t deleted = 0;
    for (size_t i = 1; i < r->argc; i++)
        deleted += db_delete(r->argv[i]);
    reply_int(r->out, deleted);
}

static void exists(struct request *r) {
    int64_t found = 0;
    for (size_t i = 1; i < r->argc; i++)
        found += db_find(r->argv[i]) != NULL;
    reply_int(r->out, found);
}

static void type(struct request *r) {
    struct entry *e = db_find(r->argv[1]);
    reply_simple(r->out, e ? type_name(e) : "none");
}

/* ---- expiry ------------------------------------------------------------------------------------------------------ */

struct expire_options {
    bool nx, xx, gt, lt;
};

static bool read_expire_options(struct request *r, struct expire_options *o) {
    for (size_t i = 3; i < r->argc; i++) {
        struct slice a = r->argv[i];
        if (slice_equal_nocase(a, "NX")) {
            o->nx = true;
        } else if (slice_equal_nocase(a, "XX")) {
            o->xx = true;
        } else if (slice_equal_nocase(a, "GT")) {
            o->gt = true;
        } else if (slice_equal_nocase(a, "LT")) {
            o->lt = true;
        } else {
            reply_error(r->out, "ERR Unsupported option %.*s", (int)a.len, a.data);
            return false;
        }
    }
    if (o->nx && (o->xx || o->gt || o->lt)) {
        reply_error(r->out, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (o->gt && o->lt) {
        reply_error(r->out, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

static bool allowed(const struct expire_options *o, int64_t old, int64_t new) {
    /* -1, never, counts as the greatest time */
    return !(o->nx && old != -1) && !(o->xx && old == -1) && !(o->gt && (old == -1 || new <= old)) &&
           !(o->lt && old != -1 && new >= old);
}

static void expire_in(struct request *r, bool seconds) {
    struct expire_options o = {0};
    int64_t ms;

    if (!read_expire_options(r, &o) || !arg_int(r, 2, &ms))
        return;
    if ((seconds && (ms > INT64_MAX / 1000 || ms < INT64_MIN / 1000)) ||
        __builtin_add_overflow(seconds ? ms * 1000 : ms, clock_ms(), &ms)) {
        reply_error(r->out, "ERR invalid expire time in '%s' command", seconds ? "expire" : "pexpire");
        return;
    }
    struct entry *e = db_find(r->argv[1]);
    if (e == NULL || !allowed(&o, expire_time(e), ms)) {
        reply_int(r->out, 0);
        return;
    }
    if (ms <= clock_ms()) {
        db_delete(r->argv[1]);
    } else if (expire_ready()) {
        expire_at(e, ms);
    } else {
        reply_out_of_memory(r->out);
        return;
    }
    reply_int(r->out, 1);
}

static void expire(struct request *r) { expire_in(r, true); }
static void pexpire(struct request *r) { expire_in(r, false); }

/* Milliseconds to live, or what TTL answers for a key that is absent (-2) or does not expire (-1). */
static int64_t time_to_live(struct slice key) {
    struct entry *e = db_find(key);
    if (e == NULL)
        return -2;
    return e->expiry ? expire_time(e) - clock_ms() : -1;
}

static void ttl(struct request *r) {
    int64_t ms = time_to_live(r->argv[1]);
    reply_int(r->out, ms < 0 ? ms : (ms + 500) / 1000);
}

static void pttl(struct request *r) { reply_int(r->out, time_to_live(r->argv[1])); }

static void persist(struct request *r) {
    struct entry *e = db_find(r->argv[1]);
    bool expired = e != NULL && e->expiry != 0;
    if (expired)
        expire_never(e);
    reply_int(r->out, expired);
}

/* ---- iteration --------------------------------------------------------------------------------------------------- */

/* Matching keys are written behind a gap that is then filled with their number, which is not known before. */
struct collection {
    struct buffer *out;
    struct slice pattern, type;
    size_t seen, count;
};

static void collect(void *context, struct entry *e) {
    struct collection *c = context;
    c->seen++;
    if (e->expiry != 0 && expire_time(e) <= clock_ms())
        return;
    if (c->pattern.data != NULL && !glob_match(c->pattern, entry_key(e)))
        return;
    if (c->type.data != NULL) {
        char upper[8];
        const char *name = type_name(e);
        size_t len = strlen(name);
        for (size_t i = 0; i <= len; i++)
            upper[i] = (char)(name[i] & ~0x20);
        if (!slice_equal_nocase(c->type, upper))
            return;
    }
    reply_bulk(c->out, entry_key(e));
    c->count++;
}

/* Puts the array's header in front of what was written since `start`. */
static void put_header(struct buffer *out, size_t start, size_t count) {
    char text[24];
    size_t len = 1;
    text[0] = '*';
    len += format_int(text + 1, (int64_t)count);
    text[len++] = '\r';
    text[len++] = '\n';
    if (reply_failed || !buffer_reserve(out, len)) {
        reply_failed = true;
        return;
    }
    memmove(out->data + start + len, out->data + start, out->len - start);
    memcpy(out->data + start, text, len);
    out->len += len;
}

static void keys(struct request *r) {
    size_t start = r->out->len;
    struct collection c = {.out = r->out, .pattern = r->argv[1]};
    map_each(&db, collect, &c);
    put_header(r->out, start, c.count);
}

/* As strtoul reads it, which is what Redis uses: a sign, nothing at all and an end at the first zero byte are fine. */
static bool parse_cursor(struct slice s, uint64_t *cursor) {
    bool negative = s.len > 0 && s.data[0] == '-';
    size_t start = negative || (s.len > 0 && s.data[0] == '+'), i = start;
    *cursor = 0;
    for (; i < s.len && s.data[i] != '\0'; i++) {
        unsigned digit = (unsigned char)s.data[i] - (unsigned)'0';
        if (digit > 9 || *cursor > (UINT64_MAX - digit) / 10)
            return false;
        *cursor = *cursor * 10 + digit;
    }
    if (negative)
        *cursor = 0 - *cursor;
    return i > start || start == 0;
}

static void reply_cursor(struct buffer *out, uint64_t cursor) {
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + cursor % 10);
    while ((cursor /= 10) != 0);
    reply_bulk(out, (struct slice){digits + at, sizeof digits - at});
}

static void scan(struct request *r) {
    /* The cursor stands before the keys but is known after them, so they are collected elsewhere. */
    static struct buffer found;
    struct collection c = {.out = &found};
    uint64_t cursor;
    int64_t count = 10;

    if (!parse_cursor(r->argv[1], &cursor)) {
        reply_error(r->out, "ERR invalid cursor");
        return;
    }
    for (size_t i = 2; i < r->argc; i += 2) {
        struct slice a = r->argv[i];
        bool known = true;
        if (i + 1 == r->argc) {
            known = false;
        } else if (slice_equal_nocase(a, "MATCH")) {
            c.pattern = r->argv[i + 1];
        } else if (slice_equal_nocase(a, "TYPE")) {
            c.type = r->argv[i + 1];
        } else if (slice_equal_nocase(a, "COUNT")) {
            if (!arg_int(r, i + 1, &count))
                return;
            known = count >= 1;
        } else {
            known = false;
        }
        if (!known) {
            reply_syntax_error(r->out);
            return;
        }
    }
    found.len = 0;
    /* Empty buckets count a tenth, as a sparse table must not make one call long. */
    for (int64_t buckets = count > INT64_MAX / 10 ? INT64_MAX : count * 10; buckets > 0; buckets--) {
        cursor = map_scan(&db, cursor, collect, &c);
        if (cursor == 0 || c.seen >= (uint64_t)count)
            break;
    }
    reply_array(r->out, 2);
    reply_cursor(r->out, cursor);
    reply_array(r->out, c.count);
    if (reply_failed || !buffer_append(r->out, found.data, found.len))
        reply_failed = true;
    if (found.cap > 1 << 20)
        buffer_free(&found);
}

const struct command key_commands[] = {
    {"DEL", -2, 1, -1, 1, del, false},
    {"UNLINK", -2, 1, -1, 1, del, false},
    {"EXISTS", -2, 1, -1, 1, exists, false},
    {"TYPE", 2, 1, 1, 1, type, false},
    {"EXPIRE", -3, 1, 1, 1, expire, false},
    {"PEXPIRE", -3, 1, 1, 1, pexpire, false},
    {"TTL", 2, 1, 1, 1, ttl, false},
    {"PTTL", 2, 1, 1, 1, pttl, false},
    {"PERSIST", 2, 1, 1, 1, persist, false},
    {"KEYS", 2, 0, 0, 0, keys, false},
    {"SCAN", -2, 0, 0, 0, scan, false},
    {NULL, 0, 0, 0, 0, NULL, false},
};
