/* RESP2 replies. */
#include "kv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reply_simple(struct buffer *out, const char *text) {
    size_t len = strlen(text);
    buffer_reserve(out, len + 3);
    char *p = out->data + out->len;
    *p++ = '+';
    memcpy(p, text, len);
    memcpy(p + len, "\r\n", 2);
    out->len += len + 3;
}

void reply_error(struct buffer *out, const char *format, ...) {
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (*p == '\r' || *p == '\n')
            *p = ' '; /* echoed input must not end the line */
    buffer_append(out, "-", 1);
    buffer_append(out, text, strlen(text));
    buffer_append(out, "\r\n", 2);
}

static void header(struct buffer *out, char kind, int64_t value) {
    buffer_reserve(out, 23);
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
    buffer_reserve(out, s.len + 25);
    header(out, '$', (int64_t)s.len);
    if (s.len > 0)
        memcpy(out->data + out->len, s.data, s.len);
    memcpy(out->data + out->len + s.len, "\r\n", 2);
    out->len += s.len + 2;
}

void reply_text(struct buffer *out, const char *text) { reply_bulk(out, (struct slice){text, strlen(text)}); }

void reply_nil(struct buffer *out) { buffer_append(out, "$-1\r\n", 5); }

void reply_nil_array(struct buffer *out) { buffer_append(out, "*-1\r\n", 5); }
