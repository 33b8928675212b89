/* RESP2 replies. */
#include "kv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool reply_failed;

/* Room for the next piece of a reply; once there was none, there is none for the rest. */
static bool room(struct buffer *out, size_t size) {
    if (!reply_failed && !buffer_reserve(out, size))
        reply_failed = true;
    return !reply_failed;
}

bool reply_ready(struct buffer *out, size_t bytes, size_t elements) {
    if (elements <= SIZE_MAX / 64 && bytes <= SIZE_MAX / 8) {
        size_t more = bytes + 32 * (elements + 1);
        if (!memory_promised() ? buffer_reserve(out, more)
                               /* What the command is going to store must fit besides, so nothing is taken in advance. */
                               : (more <= out->cap - out->len || memory_besides(out->len + more + 64)) &&
                                     buffer_reserve_exactly(out, more))
            return true;
    }
    reply_failed = true;
    return false;
}

void reply_simple(struct buffer *out, const char *text) {
    size_t len = strlen(text);
    if (!room(out, len + 3))
        return;
    char *p = out->data + out->len;
    *p++ = '+';
    memcpy(p, text, len);
    memcpy(p + len, "\r\n", 2);
    out->len += len + 3;
}

static bool is_newline(char c) { return c == '\r' || c == '\n'; }

void reply_error(struct buffer *out, const char *format, ...) {
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len >= 0 && room(out, (size_t)len + 4)) {
        char *text = out->data + out->len + 1;
        text[-1] = '-';
        vsnprintf(text, (size_t)len + 1, format, args);
        while (len > 0 && is_newline(text[len - 1]))
            len--;
        for (int i = 0; i < len; i++)
            if (is_newline(text[i]))
                text[i] = ' '; /* echoed input must not end the line */
        memcpy(text + len, "\r\n", 2);
        out->len += (size_t)len + 3;
    }
    va_end(args);
}

static void header(struct buffer *out, char kind, int64_t value) {
    if (!room(out, 23))
        return;
    char *p = out->data + out->len;
    *p++ = kind;
    p += format_int(p, value);
    *p++ = '\r';
    *p++ = '\n';
    out->len = (size_t)(p - out->data);
}

void reply_int(struct buffer *out, int64_t value) { header(out, ':', value); }

void reply_array(struct buffer *out, size_t count) { header(out, '*', (int64_t)count); }

void reply_bulk(struct buffer *out, struct slice s) {
    if (!room(out, s.len + 25))
        return;
    header(out, '$', (int64_t)s.len);
    if (s.len > 0)
        memcpy(out->data + out->len, s.data, s.len);
    memcpy(out->data + out->len + s.len, "\r\n", 2);
    out->len += s.len + 2;
}

void reply_text(struct buffer *out, const char *text) { reply_bulk(out, (struct slice){text, strlen(text)}); }

void reply_nil(struct buffer *out) {
    if (room(out, 5))
        buffer_append(out, "$-1\r\n", 5);
}

void reply_nil_array(struct buffer *out) {
    if (room(out, 5))
        buffer_append(out, "*-1\r\n", 5);
}
