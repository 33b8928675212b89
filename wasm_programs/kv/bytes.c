/* Growable bytes, and the number and pattern forms of the protocol. */
#include "kv.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE = 16 << 20 }; /* above, a buffer grows by a quarter, not to twice its size */

static bool grown(struct buffer *b, void *data, size_t cap) {
    if (data == NULL)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

bool buffer_reserve(struct buffer *b, size_t more) {
    if (more <= b->cap - b->len)
        return true;
    if (more > SIZE_MAX / 4 - b->len)
        return false;
    size_t need = b->len + more, more_than_needed = b->cap < LARGE ? b->cap * 2 : b->cap + b->cap / 4;
    return (need < more_than_needed && grown(b, try_alloc_spare(b->data, more_than_needed), more_than_needed)) ||
           buffer_reserve_exactly(b, more);
}

bool buffer_reserve_exactly(struct buffer *b, size_t more) {
    if (more <= b->cap - b->len)
        return true;
    if (more > SIZE_MAX / 4 - b->len)
        return false;
    size_t need = (b->len + more + 15) & ~(size_t)15;
    return grown(b, try_alloc_again(b->data, need), need);
}

bool buffer_append(struct buffer *b, const void *data, size_t len) {
    if (!buffer_reserve(b, len))
        return false;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return true;
}

void buffer_set(struct buffer *b, struct slice s) {
    /* A much too large block is given back: a value that shrank should not keep its old size. One that is too small is not
     * made longer: what is in it need not be copied. */
    if (b->cap < s.len || b->cap > 2 * s.len + 64) {
        buffer_free(b);
        b->cap = (s.len + 15) & ~(size_t)15;
        b->data = b->cap > 0 ? alloc(b->cap) : NULL;
    }
    if (s.len > 0)
        memcpy(b->data, s.data, s.len);
    b->len = s.len;
}

void buffer_free(struct buffer *b) {
    release(b->data);
    *b = (struct buffer){0};
}

static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

bool slice_equal_nocase(struct slice s, const char *text) {
    if (strlen(text) != s.len)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (upper(s.data[i]) != text[i])
            return false;
    return true;
}

bool parse_int(struct slice s, int64_t *value) {
    size_t i = 0;
    uint64_t n = 0;
    bool negative = s.len > 0 && s.data[0] == '-';

    if (negative)
        i = 1;
    if (s.len == i || s.len > 20)
        return false;
    if (s.data[i] == '0') {
        *value = 0;
        return s.len == 1;
    }
    for (; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - (unsigned)'0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (n > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

size_t format_int(char *text, int64_t value) {
    char digits[20];
    size_t n = 0, len = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do
        digits[n++] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        text[len++] = '-';
    while (n > 0)
        text[len++] = digits[--n];
    return len;
}

/* Matches one character against the set that starts after '['; *next is the byte after the closing ']'. */
static bool match_set(struct slice pattern, size_t at, char c, size_t *next) {
    bool found = false, negated = at < pattern.len && pattern.data[at] == '^';

    if (negated)
        at++;
    while (at < pattern.len && pattern.data[at] != ']') {
        if (pattern.data[at] == '\\' && at + 1 < pattern.len)
            at++;
        unsigned char low = (unsigned char)pattern.data[at], high = low;
        if (at + 2 < pattern.len && pattern.data[at + 1] == '-') {
            high = (unsigned char)pattern.data[at + 2];
            at += 2;
        }
        if (low > high) {
            unsigned char other = low;
            low = high;
            high = other;
        }
        if ((unsigned char)c >= low && (unsigned char)c <= high)
            found = true;
        at++;
    }
    *next = at < pattern.len ? at + 1 : at;
    return found != negated;
}

/* On a mismatch it goes back to the last '*' only, which is enough and keeps hostile patterns from costing more than
 * pattern length times text length. */
bool glob_match(struct slice pattern, struct slice text) {
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0, next;

    while (t < text.len) {
        bool matched = false;
        if (p < pattern.len && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.len) {
            next = p + 1;
            if (pattern.data[p] == '?') {
                matched = true;
            } else if (pattern.data[p] == '[') {
                matched = match_set(pattern, p + 1, text.data[t], &next);
            } else {
                size_t literal = pattern.data[p] == '\\' && p + 1 < pattern.len ? p + 1 : p;
                matched = pattern.data[literal] == text.data[t];
                next = literal + 1;
            }
        }
        if (matched) {
            p = next;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}
