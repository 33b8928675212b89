/* kv: types and functions shared by the files of the key-value server. Each section names the file that implements it. */
#ifndef KV_H
#define KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- bytes.c: memory and bytes ---------------------------------------------------------------------------------- */

/* Bytes that belong to somebody else. */
struct slice {
    const char *data;
    size_t len;
};

/* A growable array of bytes. */
struct buffer {
    char *data;
    size_t len, cap;
};

/* ---- memory.c, heap.c: memory, and what happens when it gets scarce ---------------------------------------------- */

/* heap.c: NULL, or false, when there is no memory left. heap_ensure: whether one piece of that size could be had now. */
void *heap_alloc(size_t size);
void *heap_again(void *old, size_t size);
void heap_free(void *p);
bool heap_ensure(size_t size);

/* NULL when there is no memory left, not even what is kept for such requests: what every caller can do without, or
 * answers. */
void *try_alloc(size_t size);
void *try_alloc_zeroed(size_t count, size_t size);
void *try_alloc_again(void *old, size_t size);
/* The same, but leaves alone what is kept. */
void *try_alloc_spare(void *old, size_t size);
void release(void *p);
/* Whether what is kept has been given up: nothing large is to be held for later then. */
bool memory_scarce(void);
/* What memory_for has seen to. Ends the program if it has not. */
void *alloc(size_t size);
void *alloc_zeroed(size_t count, size_t size);
/* Whether the command that begins may allocate so much in small and large pieces, with what is kept for reading and
 * deleting untouched. Its containers ask memory_besides before they grow beyond that. */
bool memory_for(size_t size);
bool memory_besides(size_t size);
/* Whether the running command may still allocate something that memory_for has seen to. */
bool memory_promised(void);

/* Makes room for `more` bytes after len, and for as many again when there is memory for that. False, and nothing changed,
 * when there is none. */
bool buffer_reserve(struct buffer *b, size_t more);
bool buffer_reserve_exactly(struct buffer *b, size_t more); /* for no more than that */
bool buffer_append(struct buffer *b, const void *data, size_t len);
/* memory_for has seen to it. */
void buffer_set(struct buffer *b, struct slice s);
void buffer_free(struct buffer *b);

static inline struct slice slice_of(const struct buffer *b) { return (struct slice){b->data, b->len}; }
bool slice_equal_nocase(struct slice s, const char *upper);

/* Strict decimal as in Redis: no spaces, no '+', no leading zeros; false when it is not a 64-bit integer. */
bool parse_int(struct slice s, int64_t *value);
/* Writes decimal digits to text, which has room for 20 bytes; returns how many. */
size_t format_int(char *text, int64_t value);
/* Redis' glob: * ? [a-z] [^a] and backslash. */
bool glob_match(struct slice pattern, struct slice text);

/* ---- map.c, list.c: containers ---------------------------------------------------------------------------------- */

enum type { TYPE_STRING, TYPE_LIST, TYPE_HASH, TYPE_SET };

/* A key with its value: an entry of the database, a field of a hash (always a string), or a set's member (no value). */
struct entry {
    struct entry *next;
    uint32_t hash;
    uint32_t expiry; /* place in the expiry heap, 0 when the key does not expire */
    uint32_t key_len;
    enum type type;
    union {
        struct buffer string;
        struct list *list;
        struct map *map;
    } value;
    char key[];
};

static inline struct slice entry_key(const struct entry *e) { return (struct slice){e->key, e->key_len}; }

/* Chained hash table. It grows and shrinks a few buckets per operation, so that no single one takes long. */
struct map {
    struct entry **table[2]; /* the second exists while entries move there from the first */
    size_t size[2];          /* buckets, a power of two */
    size_t count;            /* entries in both */
    size_t moved;            /* buckets of the first table that are empty because they moved */
};

void map_seed(void); /* takes the hash key from the system's randomness; once, at the start */
struct entry *map_find(struct map *m, struct slice key);
/* The entry of that key; created with an empty string value, and *created set, when there was none. */
struct entry *map_find_or_add(struct map *m, struct slice key, bool *created);
/* Takes the entry out of the map without freeing it; NULL when there is none. */
struct entry *map_take(struct map *m, struct slice key);
/* Puts an entry back that was taken out and whose key is not there. */
void map_put_back(struct map *m, struct entry *e);
struct entry *map_random(struct map *m); /* NULL when empty */
void map_free(struct map *m, void (*free_entry)(struct entry *));

typedef void visit(void *context, struct entry *e);
void map_each(struct map *m, visit *f, void *context);
/* Visits some buckets from cursor on and returns the next cursor, 0 at the end. Entries present during the whole scan are
 * visited at least once, whatever the map's size does meanwhile. */
uint64_t map_scan(struct map *m, uint64_t cursor, visit *f, void *context);

/* A deque of byte strings in a ring. */
struct item {
    char *data;
    size_t len;
};
struct list {
    struct item *ring;
    size_t head, count, cap; /* cap is a power of two */
};

/* Makes room for `more` items; false when there is no memory. Then list_push needs memory for the bytes only. */
bool list_reserve(struct list *l, size_t more);
void list_push(struct list *l, struct slice s, bool front);
struct item list_pop(struct list *l, bool front); /* the caller frees item.data; the list must not be empty */
struct item *list_at(struct list *l, size_t index);
void list_free(struct list *l);

/* ---- db.c: the key space and expiry ----------------------------------------------------------------------------- */

extern struct map db;

/* All three look away from a key whose time has passed, and delete it. */
struct entry *db_find(struct slice key);
struct entry *db_find_or_add(struct slice key, enum type type, bool *created);
bool db_delete(struct slice key);
void db_clear(void);
/* Gives an entry another type, freeing its value; container types start empty. */
void entry_become(struct entry *e, enum type type);
void entry_free(struct entry *e);

/* Wall-clock milliseconds; read at most once between calls of clock_forget. */
int64_t clock_ms(void);
void clock_forget(void);

/* Whether one more key can expire: false when there is no memory. To be asked before expire_at. */
bool expire_ready(void);
void expire_at(struct entry *e, int64_t ms);
void expire_never(struct entry *e);
int64_t expire_time(const struct entry *e); /* -1 when it never expires */
size_t expire_count(void);
/* Deletes keys whose time has passed, at most `limit`. */
void expire_due(size_t limit);
/* Milliseconds until the next key expires: a timeout for poll; -1 when no key does. */
int expire_timeout(void);

/* ---- parse.c: RESP requests ------------------------------------------------------------------------------------- */

struct arg {
    size_t offset, len;
};

/* Progress in one request, kept between reads so that nothing is scanned twice. */
struct parser {
    size_t pos;       /* how far the bytes of this request have been used */
    int64_t left;     /* arguments still to come, 0 before the first line */
    int64_t bulk_len; /* length of the argument being read, -1 before its length line */
    bool skipping;    /* the request does not fit into memory: it is passed over, without arguments */
    size_t skipped;   /* of the argument being passed over, bytes */
    size_t argc, cap;
    struct arg *args;
    char error[96];
};

enum parsed { PARSED_REQUEST, PARSED_NEED_MORE, PARSED_ERROR };

/* Looks at the bytes from the start of the request. On PARSED_REQUEST the request took parser->pos bytes; argc may be 0.
 * Inline requests are unquoted in place. */
enum parsed parse_request(struct parser *p, char *data, size_t len);
/* Gives up the request that was begun and needs more: what was seen of it (parser->pos bytes) is not needed any more, and
 * the next call begins behind it. False for an inline request, which cannot be given up. */
bool parse_skip(struct parser *p);
void parser_reset(struct parser *p);
void parser_free(struct parser *p);

/* ---- reply.c: RESP replies -------------------------------------------------------------------------------------- */

/* Set when a reply did not fit into memory: it is not to be sent, and what follows is not written. */
extern bool reply_failed;
/* Room for so many bytes of reply and the numbers of `elements` elements. For commands that change something and then
 * answer with it: false, answered, when there is none. */
bool reply_ready(struct buffer *out, size_t bytes, size_t elements);

void reply_simple(struct buffer *out, const char *text);
void reply_error(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_int(struct buffer *out, int64_t value);
void reply_bulk(struct buffer *out, struct slice s);
void reply_text(struct buffer *out, const char *text); /* as a bulk string */
void reply_nil(struct buffer *out);
void reply_nil_array(struct buffer *out);
void reply_array(struct buffer *out, size_t count);

/* ---- commands.c, commands_*.c ----------------------------------------------------------------------------------- */

struct request {
    size_t size; /* bytes of the whole request */
    size_t argc;
    struct slice *argv;
    struct buffer *out;
    const struct command *command;
    bool quit;  /* set by a command after whose reply the connection is to be closed */
    bool abort; /* set when the connection is to be closed at once, whatever waits to be sent */
};

struct command {
    const char *name; /* upper case */
    int arity;        /* arguments with the name; negative: at least that many */
    int first_key, last_key, key_step;
    void (*run)(struct request *r);
    bool grows; /* may need memory for its arguments, and is refused when there is none */
};

extern const struct command string_commands[], list_commands[], map_commands[], key_commands[], server_commands[];

void commands_init(void);
void command_run(struct request *r);
/* Calls f for each known command, in a fixed order. */
void commands_each(void (*f)(void *context, const struct command *c), void *context);
size_t commands_count(void);

/* Each answers the client itself when it fails. */
void reply_wrong_type(struct buffer *out);
void reply_wrong_arity(struct request *r);
void reply_syntax_error(struct buffer *out);
void reply_out_of_memory(struct buffer *out);
bool arg_int(struct request *r, size_t index, int64_t *value);
/* The entry of a key, NULL when absent; false, answered, when it has another type. */
bool find_typed(struct request *r, struct slice key, enum type type, struct entry **e);
bool find_or_add_typed(struct request *r, struct slice key, enum type type, struct entry **e, bool *created);

/* ---- main.c ----------------------------------------------------------------------------------------------------- */

struct settings {
    uint16_t port;
    size_t max_bulk;    /* longest argument and longest string value, bytes */
    size_t max_request; /* longest request, bytes */
    size_t max_output;  /* unsent replies after which a client is no longer read, bytes */
};
extern struct settings settings;

struct statistics {
    uint64_t connections, commands;
    size_t clients;
};
extern struct statistics statistics;

#endif
