/* Functions of <string.h>, <strings.h> and <ctype.h> that libc has otherwise than C and POSIX say: memccpy without the byte itself,
 * index of a terminator, ffs of the highest bit and ffsll of another type, a search that looks at what lies behind what it finds,
 * strtok that goes on with an earlier string when there is nothing in this one, tolower of EOF. */
#define _GNU_SOURCE
#include <ctype.h>
#include <locale.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "internal.h"

void *memccpy(void *restrict to, const void *restrict from, int stop, size_t length) {
    const void *found = memchr(from, stop, length);
    if (found == NULL) {
        memcpy(to, from, length);
        return NULL;
    }
    length = (size_t)((const char *)found - (const char *)from) + 1;
    memcpy(to, from, length);
    return (char *)to + length;
}

char *__strchrnul(const char *text, int c) {
    while (*text != '\0' && *text != (char)c)
        text++;
    return (char *)text;
}

char *strchrnul(const char *text, int c) { return __strchrnul(text, c); }

char *index(const char *text, int c) { return strchr(text, c); }

char *rindex(const char *text, int c) { return strrchr(text, c); }

/* From the lowest bit, which is 1; the compiler's own, which is an instruction. */
int ffs(int bits) { return bits == 0 ? 0 : __builtin_ctz((unsigned)bits) + 1; }

int ffsl(long bits) { return bits == 0 ? 0 : __builtin_ctzl((unsigned long)bits) + 1; }

int __libposix_ffsll(long long bits) { return bits == 0 ? 0 : __builtin_ctzll((unsigned long long)bits) + 1; }

char *strtok_r(char *restrict text, const char *restrict between, char **restrict rest) {
    if (text == NULL && (text = *rest) == NULL)
        return NULL;
    text += strspn(text, between);
    if (*text == '\0')
        return *rest = NULL;
    char *end = text + strcspn(text, between);
    *rest = *end == '\0' ? NULL : end + 1;
    *end = '\0';
    return text;
}

char *strtok(char *restrict text, const char *restrict between) {
    static char *rest;
    return strtok_r(text, between, &rest);
}

wchar_t *wcstok(wchar_t *restrict text, const wchar_t *restrict between, wchar_t **restrict rest) {
    if (text == NULL && (text = *rest) == NULL)
        return NULL;
    text += wcsspn(text, between);
    if (*text == L'\0')
        return *rest = NULL;
    wchar_t *end = text + wcscspn(text, between);
    *rest = *end == L'\0' ? NULL : end + 1;
    *end = L'\0';
    return text;
}

int(tolower)(int c) { return c >= 'A' && c <= 'Z' ? c | ('a' - 'A') : c; }

int(toupper)(int c) { return c >= 'a' && c <= 'z' ? c & ~('a' - 'A') : c; }

int __tolower_l(int c, locale_t locale) {
    (void)locale;
    return tolower(c);
}

int __toupper_l(int c, locale_t locale) {
    (void)locale;
    return toupper(c);
}

int tolower_l(int c, locale_t locale) { return __tolower_l(c, locale); }

int toupper_l(int c, locale_t locale) { return __toupper_l(c, locale); }
