/* The hash table behind the key space, hashes and sets. */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALLEST = 8, BUCKETS_PER_STEP = 4, EMPTY_PER_STEP = 64 };

/* ---- hashing: SipHash-1-3 with a secret key, so that clients cannot choose keys that collide --------------------- */

static uint64_t secret[2], random_state;

void map_seed(void) {
    uint64_t seed[3];
    if (getentropy(seed, sizeof seed) != 0) {
        perror("kv: getentropy");
        exit(1);
    }
    secret[0] = seed[0];
    secret[1] = seed[1];
    random_state = seed[2] | 1;
}

static inline uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

#define SIP_ROUND                                                                                                      \
    do {                                                                                                               \
        v0 += v1; v2 += v3; v1 = rotate(v1, 13) ^ v0; v3 = rotate(v3, 16) ^ v2;                                        \
        v0 = rotate(v0, 32); v2 += v1; v0 += v3;                                                                       \
        v1 = rotate(v1, 17) ^ v2; v3 = rotate(v3, 21) ^ v0; v2 = rotate(v2, 32);                                       \
    } while (0)

static uint32_t hash_of(struct slice key) {
    uint64_t v0 = secret[0] ^ 0x736f6d6570736575, v1 = secret[1] ^ 0x646f72616e646f6d;
    uint64_t v2 = secret[0] ^ 0x6c7967656e657261, v3 = secret[1] ^ 0x7465646279746573;
    uint64_t word;
    size_t i = 0;

    for (; i + 8 <= key.len; i += 8) {
        memcpy(&word, key.data + i, 8);
        v3 ^= word;
        SIP_ROUND;
        v0 ^= word;
    }
    word = (uint64_t)key.len << 56;
    for (unsigned shift = 0; i < key.len; i++, shift += 8)
        word |= (uint64_t)(unsigned char)key.data[i] << shift;
    v3 ^= word;
    SIP_ROUND;
    v0 ^= word;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    word = v0 ^ v1 ^ v2 ^ v3;
    return (uint32_t)(word ^ word >> 32);
}

static uint64_t next_random(void) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1d;
}

/* ---- growing and shrinking --------------------------------------------------------------------------------------- */

static bool moving(const struct map *m) { return m->table[1] != NULL; }

static void move_bucket(struct map *m) {
    struct entry *e = m->table[0][m->moved], *next;
    m->table[0][m->moved++] = NULL;
    for (; e != NULL; e = next) {
        next = e->next;
        struct entry **bucket = &m->table[1][e->hash & (m->size[1] - 1)];
        e->next = *bucket;
        *bucket = e;
    }
}

/* Moves a few buckets, looking at a bounded number of empty ones. */
static void move_some(struct map *m) {
    int empty = EMPTY_PER_STEP;
    for (int n = BUCKETS_PER_STEP; n > 0 && m->moved < m->size[0];) {
        if (m->table[0][m->moved] == NULL) {
            m->moved++;
            if (--empty == 0)
                return;
        } else {
            move_bucket(m);
            n--;
        }
    }
    if (m->moved == m->size[0]) {
        release(m->table[0]);
        m->table[0] = m->table[1];
        m->size[0] = m->size[1];
        m->table[1] = NULL;
        m->size[1] = 0;
        m->moved = 0;
    }
}

static void resize_if_needed(struct map *m) {
    size_t size = m->size[0];
    if (moving(m))
        return;
    if (m->count >= size)
        size *= 2;
    else if (m->count < size / 8 && size > SMALLEST)
        size /= 2;
    else
        return;
    if (!memory_besides(size * sizeof *m->table[1]))
        return; /* longer chains, until there is memory */
    m->table[1] = try_alloc_zeroed(size, sizeof *m->table[1]);
    if (m->table[1] == NULL)
        return;
    m->size[1] = size;
    m->moved = 0;
}

/* ---- lookup ------------------------------------------------------------------------------------------------------ */

/* The link that points to the entry of that key, NULL when there is none. */
static struct entry **link_to(struct map *m, struct slice key, uint32_t hash) {
    for (int t = 0; t < 2 && m->table[t] != NULL; t++)
        for (struct entry **link = &m->table[t][hash & (m->size[t] - 1)]; *link != NULL; link = &(*link)->next)
            if ((*link)->hash == hash && (*link)->key_len == key.len && memcmp((*link)->key, key.data, key.len) == 0)
                return link;
    return NULL;
}

struct entry *map_find(struct map *m, struct slice key) {
    if (m->count == 0)
        return NULL;
    if (moving(m))
        move_some(m);
    struct entry **link = link_to(m, key, hash_of(key));
    return link ? *link : NULL;
}

struct entry *map_find_or_add(struct map *m, struct slice key, bool *created) {
    uint32_t hash = hash_of(key);
    if (m->table[0] == NULL) {
        m->table[0] = alloc_zeroed(SMALLEST, sizeof *m->table[0]);
        m->size[0] = SMALLEST;
    }
    if (moving(m))
        move_some(m);
    struct entry **link = link_to(m, key, hash);
    *created = link == NULL;
    if (link != NULL)
        return *link;

    resize_if_needed(m);
    struct entry *e = alloc(sizeof *e + key.len);
    struct entry **bucket = moving(m) ? &m->table[1][hash & (m->size[1] - 1)] : &m->table[0][hash & (m->size[0] - 1)];
    *e = (struct entry){.next = *bucket, .hash = hash, .key_len = (uint32_t)key.len, .type = TYPE_STRING};
    if (key.len > 0)
        memcpy(e->key, key.data, key.len);
    *bucket = e;
    m->count++;
    return e;
}

void map_put_back(struct map *m, struct entry *e) {
    int t = moving(m) ? 1 : 0;
    struct entry **bucket = &m->table[t][e->hash & (m->size[t] - 1)];
    e->next = *bucket;
    *bucket = e;
    m->count++;
}

struct entry *map_take(struct map *m, struct slice key) {
    if (m->count == 0)
        return NULL;
    if (moving(m))
        move_some(m);
    struct entry **link = link_to(m, key, hash_of(key));
    if (link == NULL)
        return NULL;
    struct entry *e = *link;
    *link = e->next;
    m->count--;
    resize_if_needed(m);
    return e;
}

/* A random bucket, then a random entry of it. Tables are never emptier than an eighth for long, so few tries are needed. */
struct entry *map_random(struct map *m) {
    if (m->count == 0)
        return NULL;
    for (;;) {
        size_t at = (size_t)(next_random() % (m->size[0] - m->moved + m->size[1])) + m->moved;
        struct entry *first = at < m->size[0] ? m->table[0][at] : m->table[1][at - m->size[0]];
        struct entry *chosen = first;
        uint64_t seen = 1;
        if (first == NULL)
            continue;
        for (struct entry *e = first->next; e != NULL; e = e->next)
            if (next_random() % ++seen == 0)
                chosen = e;
        return chosen;
    }
}

/* ---- all entries ------------------------------------------------------------------------------------------------- */

static void visit_bucket(struct entry *e, visit *f, void *context) {
    while (e != NULL) {
        struct entry *next = e->next; /* f may free e */
        f(context, e);
        e = next;
    }
}

void map_each(struct map *m, visit *f, void *context) {
    for (int t = 0; t < 2 && m->table[t] != NULL; t++)
        for (size_t i = 0; i < m->size[t]; i++)
            visit_bucket(m->table[t][i], f, context);
}

static uint64_t reverse_bits(uint64_t x) {
    uint64_t r = 0;
    for (int i = 0; i < 64; i++, x >>= 1)
        r = r << 1 | (x & 1);
    return r;
}

/* The cursor counts with its bits reversed. A bucket of a small table and the buckets its entries go to in a larger one
 * share their low bits, which are the high digits of that counter: what was passed in one size is passed in every size. */
static uint64_t advance(uint64_t cursor, size_t size) {
    cursor |= ~(uint64_t)(size - 1);
    return reverse_bits(reverse_bits(cursor) + 1);
}

uint64_t map_scan(struct map *m, uint64_t cursor, visit *f, void *context) {
    if (m->count == 0)
        return 0;
    int small = moving(m) && m->size[1] < m->size[0] ? 1 : 0, large = 1 - small;
    visit_bucket(m->table[small][cursor & (m->size[small] - 1)], f, context);
    if (!moving(m))
        return advance(cursor, m->size[small]);
    /* all buckets of the larger table whose low bits are those of the small one's bucket */
    do {
        visit_bucket(m->table[large][cursor & (m->size[large] - 1)], f, context);
        cursor = advance(cursor, m->size[large]);
    } while (cursor & ((m->size[small] - 1) ^ (m->size[large] - 1)));
    return cursor;
}

void map_free(struct map *m, void (*free_entry)(struct entry *)) {
    for (int t = 0; t < 2 && m->table[t] != NULL; t++) {
        for (size_t i = 0; i < m->size[t]; i++)
            for (struct entry *e = m->table[t][i], *next; e != NULL; e = next) {
                next = e->next;
                free_entry(e);
            }
        release(m->table[t]);
    }
    *m = (struct map){0};
}
