/* Which locales there are: C, which is also POSIX, and C.UTF-8. libc's own table, in whose place this stands, takes every
   name that a program asks for and gives it the rules of C.UTF-8; a program that then expects a decimal comma is wrong.

   A name from the environment is another matter: LANG=de_DE.UTF-8 says that text is UTF-8, and to give up all of it for want
   of the rest would help nobody. */

#include <errno.h>
#include <locale.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* As in musl's locale_impl.h; only pointers to it are handed on. */
struct __locale_map;
extern const struct __locale_map __c_dot_utf8;
static const struct __locale_map *const none = (const struct __locale_map *)-1;

static const char *from_environment(int category) {
    static const char names[][12] = {"LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES"};
    const char *value = getenv("LC_ALL");
    if (value == NULL || *value == '\0') value = getenv(names[category]);
    if (value == NULL || *value == '\0') value = getenv("LANG");
    return value != NULL && (strcmp(value, "C") == 0 || strcmp(value, "POSIX") == 0) ? "C" : "C.UTF-8";
}

/* What setlocale and newlocale ask, once for each category: NULL is C. */
const struct __locale_map *__get_locale(int category, const char *name) {
    if (*name == '\0') name = from_environment(category);
    if (strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0) return NULL;
    if (strcmp(name, "C.UTF-8") == 0 || strcmp(name, "C.utf8") == 0) return &__c_dot_utf8;
    errno = ENOENT;
    return none;
}

/* Messages have no translations. */
const char *__lctrans_impl(const char *message, const struct __locale_map *map) {
    (void)map;
    return message;
}
