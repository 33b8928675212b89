/* Hashes and sets: both are maps, a set's entries have no value. */
#include "kv.h"

static void delete_if_empty(struct slice key, const struct entry *e) {
    if (e->value.map->count == 0)
        db_delete(key);
}

/* Takes the members named from argv[2] on out of the map; answers how many there were. */
static void remove_members(struct request *r, enum type type) {
    struct entry *e;
    int64_t removed = 0;

    if (!find_typed(r, r->argv[1], type, &e))
        return;
    for (size_t i = 2; e != NULL && i < r->argc; i++) {
        struct entry *member = map_take(e->value.map, r->argv[i]);
        if (member != NULL) {
            entry_free(member);
            removed++;
        }
    }
    if (e != NULL)
        delete_if_empty(r->argv[1], e);
    reply_int(r->out, removed);
}

static void reply_count(struct request *r, enum type type) {
    struct entry *e;
    if (find_typed(r, r->argv[1], type, &e))
        reply_int(r->out, e ? (int64_t)e->value.map->count : 0);
}

static void reply_contains(struct request *r, enum type type) {
    struct entry *e;
    if (find_typed(r, r->argv[1], type, &e))
        reply_int(r->out, e != NULL && map_find(e->value.map, r->argv[2]) != NULL);
}

static void reply_key(void *out, struct entry *e) { reply_bulk(out, entry_key(e)); }
static void reply_value(void *out, struct entry *e) { reply_bulk(out, slice_of(&e->value.string)); }
static void reply_pair(void *out, struct entry *e) {
    reply_key(out, e);
    reply_value(out, e);
}

/* Answers all entries, each giving `replies` elements through f. */
static void reply_all(struct request *r, enum type type, size_t replies, visit *f) {
    struct entry *e;
    if (!find_typed(r, r->argv[1], type, &e))
        return;
    reply_array(r->out, e ? e->value.map->count * replies : 0);
    if (e != NULL)
        map_each(e->value.map, f, r->out);
}

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

static void set_fields(struct request *r, bool answer_ok) {
    struct entry *e;
    int64_t added = 0;
    bool is_new;

    if (r->argc % 2 != 0) {
        reply_wrong_arity(r);
        return;
    }
    if (!find_or_add_typed(r, r->argv[1], TYPE_HASH, &e, &is_new))
        return;
    for (size_t i = 2; i < r->argc; i += 2) {
        bool created;
        struct entry *field = map_find_or_add(e->value.map, r->argv[i], &created);
        buffer_set(&field->value.string, r->argv[i + 1]);
        added += created;
    }
    if (answer_ok)
        reply_simple(r->out, "OK");
    else
        reply_int(r->out, added);
}

static void hset(struct request *r) { set_fields(r, false); }
static void hmset(struct request *r) { set_fields(r, true); }

static void reply_field(struct request *r, struct entry *hash, struct slice name) {
    struct entry *field = hash ? map_find(hash->value.map, name) : NULL;
    if (field == NULL)
        reply_nil(r->out);
    else
        reply_value(r->out, field);
}

static void hget(struct request *r) {
    struct entry *e;
    if (find_typed(r, r->argv[1], TYPE_HASH, &e))
        reply_field(r, e, r->argv[2]);
}

static void hmget(struct request *r) {
    struct entry *e;
    if (!find_typed(r, r->argv[1], TYPE_HASH, &e))
        return;
    reply_array(r->out, r->argc - 2);
    for (size_t i = 2; i < r->argc; i++)
        reply_field(r, e, r->argv[i]);
}

static void hincrby(struct request *r) {
    struct entry *e, *field;
    int64_t by, value = 0;
    char text[20];
    bool created;

    if (!arg_int(r, 3, &by) || !find_typed(r, r->argv[1], TYPE_HASH, &e))
        return;
    field = e ? map_find(e->value.map, r->argv[2]) : NULL;
    if (field != NULL && !parse_int(slice_of(&field->value.string), &value)) {
        reply_error(r->out, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        reply_error(r->out, "ERR increment or decrement would overflow");
        return;
    }
    if (e == NULL)
        e = db_find_or_add(r->argv[1], TYPE_HASH, &created);
    if (field == NULL)
        field = map_find_or_add(e->value.map, r->argv[2], &created);
    buffer_set(&field->value.string, (struct slice){text, format_int(text, value)});
    reply_int(r->out, value);
}

static void hgetall(struct request *r) { reply_all(r, TYPE_HASH, 2, reply_pair); }
static void hkeys(struct request *r) { reply_all(r, TYPE_HASH, 1, reply_key); }
static void hvals(struct request *r) { reply_all(r, TYPE_HASH, 1, reply_value); }
static void hlen(struct request *r) { reply_count(r, TYPE_HASH); }
static void hexists(struct request *r) { reply_contains(r, TYPE_HASH); }
static void hdel(struct request *r) { remove_members(r, TYPE_HASH); }

/* ---- sets -------------------------------------------------------------------------------------------------------- */

static void sadd(struct request *r) {
    struct entry *e;
    int64_t added = 0;
    bool is_new;

    if (!find_or_add_typed(r, r->argv[1], TYPE_SET, &e, &is_new))
        return;
    for (size_t i = 2; i < r->argc; i++) {
        bool created;
        map_find_or_add(e->value.map, r->argv[i], &created);
        added += created;
    }
    reply_int(r->out, added);
}

static void spop(struct request *r) {
    struct entry *e;
    int64_t count = 1;
    bool many = r->argc == 3;

    if (r->argc > 3) {
        reply_syntax_error(r->out);
        return;
    }
    if (many && (!parse_int(r->argv[2], &count) || count < 0)) {
        reply_error(r->out, "ERR value is out of range, must be positive");
        return;
    }
    if (!find_typed(r, r->argv[1], TYPE_SET, &e))
        return;
    if (e == NULL) {
        if (many)
            reply_array(r->out, 0);
        else
            reply_nil(r->out);
        return;
    }
    struct map *m = e->value.map;
    if ((uint64_t)count > m->count)
        count = (int64_t)m->count;
    /* All are taken out, then answered, then freed: what cannot be answered goes back. */
    struct entry *taken = NULL, *next;
    size_t bytes = 0;
    for (int64_t i = 0; i < count; i++) {
        struct entry *member = map_take(m, entry_key(map_random(m)));
        bytes += member->key_len;
        member->next = taken;
        taken = member;
    }
    bool fits = reply_ready(r->out, bytes, (size_t)count);
    if (fits && many)
        reply_array(r->out, (size_t)count);
    for (; taken != NULL; taken = next) {
        next = taken->next;
        if (fits) {
            reply_key(r->out, taken);
            entry_free(taken);
        } else {
            map_put_back(m, taken);
        }
    }
    delete_if_empty(r->argv[1], e);
}

static void smembers(struct request *r) { reply_all(r, TYPE_SET, 1, reply_key); }
static void scard(struct request *r) { reply_count(r, TYPE_SET); }
static void sismember(struct request *r) { reply_contains(r, TYPE_SET); }
static void srem(struct request *r) { remove_members(r, TYPE_SET); }

const struct command map_commands[] = {
    {"HSET", -4, 1, 1, 1, hset, true},
    {"HMSET", -4, 1, 1, 1, hmset, true},
    {"HGET", 3, 1, 1, 1, hget, false},
    {"HMGET", -3, 1, 1, 1, hmget, false},
    {"HINCRBY", 4, 1, 1, 1, hincrby, true},
    {"HGETALL", 2, 1, 1, 1, hgetall, false},
    {"HKEYS", 2, 1, 1, 1, hkeys, false},
    {"HVALS", 2, 1, 1, 1, hvals, false},
    {"HLEN", 2, 1, 1, 1, hlen, false},
    {"HEXISTS", 3, 1, 1, 1, hexists, false},
    {"HDEL", -3, 1, 1, 1, hdel, false},
    {"SADD", -3, 1, 1, 1, sadd, true},
    {"SPOP", -2, 1, 1, 1, spop, false},
    {"SMEMBERS", 2, 1, 1, 1, smembers, false},
    {"SCARD", 2, 1, 1, 1, scard, false},
    {"SISMEMBER", 3, 1, 1, 1, sismember, false},
    {"SREM", -3, 1, 1, 1, srem, false},
    {NULL, 0, 0, 0, 0, NULL, false},
};
