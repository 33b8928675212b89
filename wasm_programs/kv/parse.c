/* RESP2 requests: arrays of bulk strings, and inline requests as typed by a person. Error texts are those of Redis. */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 64 * 1024 };

void parser_reset(struct parser *p) {
    p->pos = 0;
    p->left = 0;
    p->bulk_len = -1;
    p->argc = 0;
    if (p->cap > 1024) { /* do not keep the memory of one very long request */
        free(p->args);
        p->args = NULL;
        p->cap = 0;
    }
}

void parser_free(struct parser *p) { free(p->args); }

static enum parsed fail(struct parser *p, const char *why) {
    snprintf(p->error, sizeof p->error, "Protocol error: %s", why);
    return PARSED_ERROR;
}

static void add_arg(struct parser *p, size_t offset, size_t len) {
    if (p->argc == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->args = alloc_again(p->args, p->cap * sizeof *p->args);
    }
    p->args[p->argc++] = (struct arg){offset, len};
}

/* ---- inline requests --------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n'; }

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads one escape after a backslash inside double quotes; `in` stands on the byte after the backslash. */
static char unescape(const char *line, size_t len, size_t *in) {
    char c = line[*in];
    if (c == 'x' && *in + 2 < len && hex_digit(line[*in + 1]) >= 0 && hex_digit(line[*in + 2]) >= 0) {
        c = (char)(hex_digit(line[*in + 1]) * 16 + hex_digit(line[*in + 2]));
        *in += 2;
        return c;
    }
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* Splits a line into arguments, unquoting in place: an argument never gets longer. False on unbalanced quotes. */
static bool split(struct parser *p, char *line, size_t len) {
    size_t in = 0;
    for (;;) {
        while (in < len && is_space(line[in]))
            in++;
        if (in == len)
            return true;
        size_t start = in, out = in;
        char quote = 0;
        for (;; in++) {
            if (in == len) {
                if (quote)
                    return false;
                break;
            }
            char c = line[in];
            if (!quote && is_space(c))
                break;
            if (!quote && (c == '"' || c == '\'')) {
                quote = c;
            } else if (quote && c == quote) {
                if (in + 1 < len && !is_space(line[in + 1]))
                    return false; /* a closing quote ends the argument */
                quote = 0;
            } else if (quote == '"' && c == '\\' && in + 1 < len) {
                in++;
                line[out++] = unescape(line, len, &in);
            } else if (quote == '\'' && c == '\\' && in + 1 < len && line[in + 1] == '\'') {
                in++;
                line[out++] = '\'';
            } else {
                line[out++] = c;
            }
        }
        add_arg(p, start, out - start);
    }
}

static enum parsed parse_inline(struct parser *p, char *data, size_t len) {
    char *newline = memchr(data + p->pos, '\n', len - p->pos);
    if (newline == NULL) {
        p->pos = len; /* not to be searched again */
        return len > MAX_LINE ? fail(p, "too big inline request") : PARSED_NEED_MORE;
    }
    size_t line_len = (size_t)(newline - data);
    p->pos = line_len + 1;
    if (!split(p, data, line_len))
        return fail(p, "unbalanced quotes in request");
    return PARSED_REQUEST;
}

/* ---- arrays of bulk strings -------------------------------------------------------------------------------------- */

/* Reads the number of a line "*N\r\n" or "$N\r\n" at pos and goes behind it. `*bad` is set when it is not a number. */
static enum parsed parse_count(struct parser *p, const char *data, size_t len, int64_t *count, bool *bad) {
    const char *line = data + p->pos + 1, *end = data + len;
    const char *cr = line;

    while (cr < end && *cr != '\r')
        cr++;
    if (end - cr < 2)
        return len - p->pos > MAX_LINE ? PARSED_ERROR : PARSED_NEED_MORE;
    *bad = !parse_int((struct slice){line, (size_t)(cr - line)}, count);
    p->pos = (size_t)(cr - data) + 2;
    return PARSED_REQUEST;
}

static enum parsed parse_array(struct parser *p, const char *data, size_t len, size_t max_bulk) {
    bool bad;
    enum parsed parsed;

    if (p->left == 0) {
        parsed = parse_count(p, data, len, &p->left, &bad);
        if (parsed != PARSED_REQUEST)
            return parsed == PARSED_ERROR ? fail(p, "too big mbulk count string") : parsed;
        if (bad || p->left > INT32_MAX)
            return fail(p, "invalid multibulk length");
        if (p->left <= 0)
            return PARSED_REQUEST;
    }
    while (p->left > 0) {
        if (p->bulk_len < 0) {
            if (p->pos == len)
                return PARSED_NEED_MORE;
            if (data[p->pos] != '$') {
                snprintf(p->error, sizeof p->error, "Protocol error: expected '$', got '%c'", data[p->pos]);
                return PARSED_ERROR;
            }
            parsed = parse_count(p, data, len, &p->bulk_len, &bad);
            if (parsed != PARSED_REQUEST) {
                p->bulk_len = -1;
                return parsed == PARSED_ERROR ? fail(p, "too big bulk count string") : parsed;
            }
            if (bad || p->bulk_len < 0 || (uint64_t)p->bulk_len > max_bulk)
                return fail(p, "invalid bulk length");
        }
        size_t bulk = (size_t)p->bulk_len;
        if (len - p->pos < bulk + 2)
            return PARSED_NEED_MORE;
        add_arg(p, p->pos, bulk);
        p->pos += bulk + 2;
        p->bulk_len = -1;
        p->left--;
    }
    return PARSED_REQUEST;
}

enum parsed parse_request(struct parser *p, char *data, size_t len, size_t max_bulk) {
    if (len == 0)
        return PARSED_NEED_MORE;
    return data[0] == '*' ? parse_array(p, data, len, max_bulk) : parse_inline(p, data, len);
}
