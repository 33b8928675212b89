/* Finding the command of a request, and what all commands share. */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const groups[] = {string_commands, list_commands, map_commands, key_commands,
                                               server_commands};
/* What an argument may take besides its bytes: an entry or an item, the allocator's part; and a new container. */
enum { ARGUMENT_OVERHEAD = 160, CONTAINER = 1024 };
enum { GROUPS = sizeof groups / sizeof *groups, SLOTS = 256, LONGEST_NAME = 16 };

/* Open addressing; four times as many slots as commands, so most are found at once. */
static const struct command *slots[SLOTS];
static size_t count;

static unsigned slot_of(const char *name, size_t len) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)(name[i] & 0xdf)) * 16777619u; /* 0xdf: letters in upper case */
    return (h ^ h >> 16) % SLOTS;
}

void commands_each(void (*f)(void *context, const struct command *c), void *context) {
    for (size_t g = 0; g < GROUPS; g++)
        for (const struct command *c = groups[g]; c->name != NULL; c++)
            f(context, c);
}

static void add(void *context, const struct command *c) {
    (void)context;
    unsigned at = slot_of(c->name, strlen(c->name));
    while (slots[at] != NULL)
        at = (at + 1) % SLOTS;
    slots[at] = c;
    count++;
}

void commands_init(void) { commands_each(add, NULL); }

size_t commands_count(void) { return count; }

static const struct command *find_command(struct slice name) {
    if (name.len == 0 || name.len > LONGEST_NAME)
        return NULL;
    for (unsigned at = slot_of(name.data, name.len); slots[at] != NULL; at = (at + 1) % SLOTS)
        if (slice_equal_nocase(name, slots[at]->name))
            return slots[at];
    return NULL;
}

static void reply_unknown(struct request *r) {
    char args[160];
    size_t len = 0;
    args[0] = '\0';
    for (size_t i = 1; i < r->argc && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                (int)(r->argv[i].len < 128 - len ? r->argv[i].len : 128 - len), r->argv[i].data);
    reply_error(r->out, "ERR unknown command '%.*s', with args beginning with: %s",
                (int)(r->argv[0].len < 128 ? r->argv[0].len : 128), r->argv[0].data, args);
}

/* A web page can make a browser send requests to any port, and what it says in the body would be commands. As Redis
 * does, the first line that only HTTP has ends the connection, with nothing said. */
static bool is_http(struct slice name) { return slice_equal_nocase(name, "POST") || slice_equal_nocase(name, "HOST:"); }

static bool has_memory(const struct request *r) {
    return memory_for(r->size + r->argc * ARGUMENT_OVERHEAD + CONTAINER);
}

static void dispatch(struct request *r) {
    const struct command *c = r->command = find_command(r->argv[0]);
    if (c == NULL && is_http(r->argv[0]))
        r->abort = true;
    else if (c == NULL)
        reply_unknown(r);
    else if (c->arity > 0 ? r->argc != (size_t)c->arity : r->argc < (size_t)-c->arity)
        reply_wrong_arity(r);
    else if (c->grows ? !has_memory(r) : !memory_for(0))
        reply_out_of_memory(r->out);
    else
        c->run(r);
}

void command_run(struct request *r) {
    size_t start = r->out->len;
    statistics.commands++;
    dispatch(r);
    if (reply_failed) { /* no part of a reply is sent, and main has kept room for this */
        reply_failed = false;
        r->out->len = start;
        reply_out_of_memory(r->out);
    }
}

void reply_out_of_memory(struct buffer *out) {
    reply_error(out, "OOM command not allowed when used memory > 'maxmemory'.");
}

void reply_wrong_type(struct buffer *out) {
    reply_error(out, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_wrong_arity(struct request *r) {
    char name[LONGEST_NAME + 1];
    size_t i = 0;
    for (; r->command->name[i]; i++)
        name[i] = (char)(r->command->name[i] | 0x20);
    name[i] = '\0';
    reply_error(r->out, "ERR wrong number of arguments for '%s' command", name);
}

void reply_syntax_error(struct buffer *out) { reply_error(out, "ERR syntax error"); }

bool arg_int(struct request *r, size_t index, int64_t *value) {
    if (parse_int(r->argv[index], value))
        return true;
    reply_error(r->out, "ERR value is not an integer or out of range");
    return false;
}

bool find_typed(struct request *r, struct slice key, enum type type, struct entry **e) {
    *e = db_find(key);
    if (*e == NULL || (*e)->type == type)
        return true;
    reply_wrong_type(r->out);
    return false;
}

bool find_or_add_typed(struct request *r, struct slice key, enum type type, struct entry **e, bool *created) {
    *e = db_find_or_add(key, type, created);
    if ((*e)->type == type)
        return true;
    reply_wrong_type(r->out);
    return false;
}
