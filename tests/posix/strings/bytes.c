/* Functions on bytes and strings whose answers are places: what is copied, where a search ends, what is left for the next call. */
#include "show.h"
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static const char text[] = "abc.def";

static int place(const void *found, const void *from) { return found ? (int)((const char *)found - (const char *)from) : -1; }

static void copy_until(int stop, size_t length) {
    char to[] = "########";
    void *end = memccpy(to, text, stop, length);
    printf("memccpy until %d of %zu: %d %s\n", stop, length, place(end, to), to);
}

static void tokens(const char *of, const char *between) {
    char room[32], *rest = "left from before", *token;
    strcpy(room, of);
    printf("strtok_r of '%s':", of);
    for (token = strtok_r(room, between, &rest); token; token = strtok_r(NULL, between, &rest))
        printf(" '%s'", token);
    token = strtok_r(NULL, between, &rest);
    printf(", then %s\n", token ? token : "none");
    strcpy(room, of);
    printf("strsep of '%s':", of);
    rest = room;
    while ((token = strsep(&rest, between)))
        printf(" '%s'", token);
    printf("\n");
}

int main(void) {
    copy_until('.', 8);
    copy_until('a', 8);
    copy_until('z', 5);
    copy_until('f', 7);
    copy_until('f', 6);
    copy_until(0, 8);
    copy_until('a', 0);

    /* Through pointers: a compiler knows some of them by name and calls nothing. */
    char *(*volatile chr[])(const char *, int) = {strchr, strrchr, index, rindex, strchrnul};
    for (size_t i = 0; i < sizeof chr / sizeof chr[0]; i++)
        printf("search %zu: %d %d %d %d\n", i, place(chr[i]("a.b.", '.'), "a.b."), place(chr[i](text, 'z'), text), place(chr[i](text, 0), text), place(chr[i](text, 'a' + 256), text));
    int (*volatile first)(int) = ffs;
    int (*volatile first_long)(long) = ffsl;
    int (*volatile first_long_long)(long long) = ffsll;
    printf("ffs %d %d %d %d; ffsl %d %d; ffsll %d %d %d\n", first(0), first(1), first(6), first(1 << 31), first_long(0), first_long(12), first_long_long(0), first_long_long(10), first_long_long(1ll << 40));
    void *(*volatile memory)(const void *, int, size_t) = memchr;
    printf("memchr %d %d\n", place(memory(text, '.', 3), text), place(memory(text, '.', 4), text));
    memory = (void *(*)(const void *, int, size_t))memrchr;
    printf("memrchr %d %d\n", place(memory("a.b.", '.', 3), "a.b."), place(memory(text, 'z', 4), text));

    tokens(",,a,,b,", ",");
    tokens(",,", ",");
    tokens("", ",");
    tokens("abc", ",");
    tokens("a b", "");

    char to[16] = "1234567890";
    printf("strncpy %s", strncpy(to, "ab", 4));
    printf(" %s\n", to + 4);
    strcpy(to, "xy");
    printf("strncat %s", strncat(to, "abcdef", 3));
    printf(" stpncpy %d", place(stpncpy(to, "abcdef", 4), to));
    printf(" %s\n", to);
    printf("strspn %zu %zu %zu strcspn %zu %zu\n", strspn("aabbc", "ab"), strspn("abc", ""), strspn("", "a"), strcspn("abc", "c"), strcspn("abc", ""));
    printf("strstr %d %d strcasestr %d memmem %d %d\n", place(strstr(text, ""), text), place(strstr(text, "de"), text), place(strcasestr(text, "DE"), text), place(memmem(text, 7, "", 0), text), place(memmem(text, 4, "de", 2), text));
    printf("order %d %d %d %d %d\n", strcmp("a", "\xff") < 0, strncmp("ab", "ac", 1), strcasecmp("AbC", "aBc"), strncasecmp("abX", "ABy", 2), strcasecmp("_", "A") > 0);

    char pairs[] = "########";
    swab("abcdef", pairs, 5);
    printf("swab %s\n", pairs);
    char *copy = strndup(text, 4);
    printf("strndup '%s'\n", copy);
    return 0;
}
