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
    p->skipping = false;
    p->skipped = 0;
    if (p->cap > 1024) { /* do not keep the memory of one very long request */
        release(p->args);
        p->args = NULL;
        p->cap = 0;
    }
}

void parser_free(struct parser *p) { release(p->args); }

static enum parsed fail(struct parser *p, const char *why) {
    snprintf(p->error, sizeof p->error, "Protocol error: %s", why);
    return PARSED_ERROR;
}

/* False when there is no memory for so many arguments. */
static bool add_arg(struct parser *p, size_t offset, size_t len) {
    if (p->argc == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 8;
        struct arg *args = try_alloc_again(p->args, cap * sizeof *args);
        if (args == NULL)
            return false;
        p->args = args;
        p->cap = cap;
    }
    p->args[p->argc++] = (struct arg){offset, len};
    return true;
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

/* Splits a line into arguments, unquoting in place: an argument never gets longer. False on unbalanced quotes. Arguments
 * for which there is no memory make it a request that is skipped. */
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
        if (!add_arg(p, start, out - start))
            p->skipping = true;
    }
}

static enum parsed parse_inline(struct parser *p, char *data, size_t len) {
    char *newline = memchr(data + p->pos, '\n', len - p->pos);
    /* For Redis a zero byte ends what it searches: a line that holds one never becomes a request. */
    char *zero = memchr(data + p->pos, '\0', newline ? (size_t)(newline - data) - p->pos : len - p->pos);
    if (zero != NULL)
        newline = NULL;
    if (newline == NULL) {
        p->pos = zero ? (size_t)(zero - data) : len; /* not to be searched again */
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

/* Goes behind the argument that is passed over, as far as it has come. */
static enum parsed skip_bulk(struct parser *p, size_t len) {
    size_t left = (size_t)p->bulk_len + 2 - p->skipped, here = len - p->pos < left ? len - p->pos : left;
    p->pos += here;
    p->skipped += here;
    if (here < left)
        return PARSED_NEED_MORE;
    p->skipped = 0;
    p->bulk_len = -1;
    p->left--;
    return PARSED_REQUEST;
}

static enum parsed parse_array(struct parser *p, const char *data, size_t len) {
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
            if (bad || p->bulk_len < 0 || (uint64_t)p->bulk_len > settings.max_bulk)
                return fail(p, "invalid bulk length");
        }
        if (!p->skipping && p->pos + (size_t)p->bulk_len > settings.max_request) {
            snprintf(p->error, sizeof p->error, "Protocol error: a request of more than %zu bytes (--max-request)",
                     settings.max_request);
            return PARSED_ERROR;
        }
        if (p->skipping) {
            if (skip_bulk(p, len) == PARSED_NEED_MORE)
                return PARSED_NEED_MORE;
            continue;
        }
        size_t bulk = (size_t)p->bulk_len;
        if (len - p->pos < bulk + 2)
            return PARSED_NEED_MORE;
        if (!add_arg(p, p->pos, bulk)) {
            p->skipping = true;
            continue;
        }
        p->pos += bulk + 2;
        p->bulk_len = -1;
        p->left--;
    }
    return PARSED_REQUEST;
}

enum parsed parse_request(struct parser *p, char *data, size_t len) {
    if (p->left > 0)
        return parse_array(p, data, len);
    if (len == 0)
        return PARSED_NEED_MORE;
    return data[0] == '*' ? parse_array(p, data, len) : parse_inline(p, data, len);
}

bool parse_skip(struct parser *p) {
    if (p->left == 0)
        return false;
    p->skipping = true;
    p->argc = 0;
    return true;
}
