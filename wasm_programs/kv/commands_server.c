/* Commands about the connection and the server, mostly what client programs ask before they start. */
#include "kv.h"

#include <stdio.h>
#include <string.h>

static void reply_unknown_subcommand(struct request *r) {
    struct slice a = r->argv[1];
    reply_error(r->out, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)(a.len < 128 ? a.len : 128), a.data,
                r->command->name);
}

static void reply_subcommand_arity(struct request *r, const char *name) {
    reply_error(r->out, "ERR wrong number of arguments for '%s' command", name);
}

/* ---- the connection ---------------------------------------------------------------------------------------------- */

static void ping(struct request *r) {
    if (r->argc > 2)
        reply_wrong_arity(r);
    else if (r->argc == 2)
        reply_bulk(r->out, r->argv[1]);
    else
        reply_simple(r->out, "PONG");
}

static void echo(struct request *r) { reply_bulk(r->out, r->argv[1]); }

static void quit(struct request *r) {
    reply_simple(r->out, "OK");
    r->quit = true;
}

static void select_(struct request *r) {
    int64_t index;
    if (!arg_int(r, 1, &index))
        return;
    if (index != 0) /* there is one database */
        reply_error(r->out, "ERR DB index is out of range");
    else
        reply_simple(r->out, "OK");
}

/* Client libraries introduce themselves; nothing is kept. */
static void client(struct request *r) {
    struct slice a = r->argv[1];
    if (slice_equal_nocase(a, "SETINFO") || slice_equal_nocase(a, "SETNAME"))
        reply_simple(r->out, "OK");
    else if (slice_equal_nocase(a, "GETNAME"))
        reply_nil(r->out);
    else
        reply_unknown_subcommand(r);
}

static void hello(struct request *r) {
    if (r->argc > 1 && !slice_equal_nocase(r->argv[1], "2")) {
        reply_error(r->out, "NOPROTO unsupported protocol version");
        return;
    }
    reply_array(r->out, 6);
    reply_text(r->out, "server");
    reply_text(r->out, "kv");
    reply_text(r->out, "version");
    reply_text(r->out, "7.0.0");
    reply_text(r->out, "proto");
    reply_int(r->out, 2);
}

/* ---- the data as a whole ----------------------------------------------------------------------------------------- */

static void dbsize(struct request *r) { reply_int(r->out, (int64_t)db.count); }

static void flush(struct request *r) {
    if (r->argc > 2 || (r->argc == 2 && !slice_equal_nocase(r->argv[1], "SYNC") &&
                        !slice_equal_nocase(r->argv[1], "ASYNC"))) {
        reply_syntax_error(r->out);
        return;
    }
    db_clear();
    reply_simple(r->out, "OK");
}

static void info(struct request *r) {
    char text[512];
    int len = snprintf(text, sizeof text,
                       "# Server\r\nredis_version:7.0.0\r\nserver_name:kv\r\nredis_mode:standalone\r\ntcp_port:%u\r\n"
                       "\r\n# Clients\r\nconnected_clients:%zu\r\n"
                       "\r\n# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
                       "\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
                       "\r\n# Keyspace\r\n",
                       (unsigned)settings.port, statistics.clients, (unsigned long long)statistics.connections,
                       (unsigned long long)statistics.commands);
    if (db.count > 0)
        len += snprintf(text + len, sizeof text - (size_t)len, "db0:keys=%zu,expires=%zu,avg_ttl=0\r\n", db.count,
                        expire_count());
    reply_bulk(r->out, (struct slice){text, (size_t)len});
}

/* ---- CONFIG and COMMAND ------------------------------------------------------------------------------------------ */

static void config_get(struct request *r) {
    char bulk[24], port[8];
    snprintf(bulk, sizeof bulk, "%zu", settings.max_bulk);
    snprintf(port, sizeof port, "%u", (unsigned)settings.port);
    const char *const table[][2] = {
        {"appendonly", "no"}, {"databases", "1"},           {"maxmemory", "0"}, {"port", port},
        {"save", ""},         {"proto-max-bulk-len", bulk}, {"timeout", "0"},
    };
    enum { ROWS = sizeof table / sizeof *table };
    bool wanted[ROWS] = {false};
    size_t found = 0;

    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 2; i < r->argc && !wanted[row]; i++)
            if (glob_match(r->argv[i], (struct slice){table[row][0], strlen(table[row][0])})) {
                wanted[row] = true;
                found++;
            }
    reply_array(r->out, found * 2);
    for (size_t row = 0; row < ROWS; row++)
        if (wanted[row]) {
            reply_text(r->out, table[row][0]);
            reply_text(r->out, table[row][1]);
        }
}

static void config(struct request *r) {
    if (slice_equal_nocase(r->argv[1], "GET")) {
        if (r->argc < 3)
            reply_subcommand_arity(r, "config|get");
        else
            config_get(r);
    } else if (slice_equal_nocase(r->argv[1], "RESETSTAT") && r->argc == 2) {
        statistics.connections = statistics.commands = 0;
        reply_simple(r->out, "OK");
    } else {
        reply_unknown_subcommand(r);
    }
}

static void describe(void *out, const struct command *c) {
    char name[17];
    size_t i = 0;
    for (; c->name[i]; i++)
        name[i] = (char)(c->name[i] | 0x20);
    reply_array(out, 6);
    reply_bulk(out, (struct slice){name, i});
    reply_int(out, c->arity);
    reply_array(out, 0);
    reply_int(out, c->first_key);
    reply_int(out, c->last_key);
    reply_int(out, c->key_step);
}

static void command(struct request *r) {
    if (r->argc == 1) {
        reply_array(r->out, commands_count());
        commands_each(describe, r->out);
    } else if (slice_equal_nocase(r->argv[1], "COUNT")) {
        reply_int(r->out, (int64_t)commands_count());
    } else if (slice_equal_nocase(r->argv[1], "DOCS")) {
        reply_array(r->out, 0); /* redis-cli then goes without hints */
    } else {
        reply_unknown_subcommand(r);
    }
}

const struct command server_commands[] = {
    {"PING", -1, 0, 0, 0, ping, false},
    {"ECHO", 2, 0, 0, 0, echo, false},
    {"QUIT", -1, 0, 0, 0, quit, false},
    {"SELECT", 2, 0, 0, 0, select_, false},
    {"CLIENT", -2, 0, 0, 0, client, false},
    {"HELLO", -1, 0, 0, 0, hello, false},
    {"DBSIZE", 1, 0, 0, 0, dbsize, false},
    {"FLUSHALL", -1, 0, 0, 0, flush, false},
    {"FLUSHDB", -1, 0, 0, 0, flush, false},
    {"INFO", -1, 0, 0, 0, info, false},
    {"CONFIG", -2, 0, 0, 0, config, false},
    {"COMMAND", -1, 0, 0, 0, command, false},
    {NULL, 0, 0, 0, 0, NULL, false},
};
