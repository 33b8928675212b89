/* Temporary files: names from the cell's random numbers, which are the same on every node. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { TRIES = 100 };

static void randomise(char *six) {
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    unsigned char bytes[6];
    getentropy(bytes, sizeof bytes);
    for (int i = 0; i < 6; i++)
        six[i] = LETTERS[bytes[i] % (sizeof LETTERS - 1)];
}

/* Where the six X of a template are, or NULL with EINVAL. */
static char *place_of(char *template, int suffix) {
    size_t len = strlen(template);
    char *six = template + len - suffix - 6;
    if (suffix < 0 || len < (size_t)suffix + 6 || memcmp(six, "XXXXXX", 6) != 0) {
        errno = EINVAL;
        return NULL;
    }
    return six;
}

int mkostemps(char *template, int suffix, int flags) {
    char *six = place_of(template, suffix);
    if (six == NULL)
        return -1;
    for (int i = 0; i < TRIES; i++) {
        randomise(six);
        int fd = open(template, (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST) {
            if (fd < 0)
                memcpy(six, "XXXXXX", 6);
            return fd;
        }
    }
    memcpy(six, "XXXXXX", 6);
    return fail(EEXIST);
}

int mkstemp(char *template) { return mkostemps(template, 0, 0); }

int mkostemp(char *template, int flags) { return mkostemps(template, 0, flags); }

int mkstemps(char *template, int suffix) { return mkostemps(template, suffix, 0); }

char *mkdtemp(char *template) {
    char *six = place_of(template, 0);
    if (six == NULL)
        return NULL;
    for (int i = 0; i < TRIES; i++) {
        randomise(six);
        if (mkdir(template, 0700) == 0)
            return template;
        if (errno != EEXIST)
            break;
    }
    memcpy(six, "XXXXXX", 6);
    return NULL;
}

char *mktemp(char *template) {
    char *six = place_of(template, 0);
    struct stat stat;
    for (int i = 0; i < TRIES && six != NULL; i++) {
        randomise(six);
        if (lstat(template, &stat) < 0 && errno == ENOENT)
            return template;
    }
    template[0] = '\0';
    return template;
}

char *tempnam(const char *directory, const char *prefix) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%sXXXXXX", directory != NULL ? directory : P_tmpdir,
                 prefix != NULL ? prefix : "temp_") >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return mktemp(path)[0] == '\0' ? NULL : strdup(path);
}

char *tmpnam(char *name) {
    static char own[L_tmpnam];
    if (name == NULL)
        name = own;
    strcpy(name, P_tmpdir "/file_XXXXXX");
    return mktemp(name)[0] == '\0' ? NULL : name;
}

FILE *tmpfile(void) {
    char path[] = P_tmpdir "/file_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return NULL;
    unlink(path);
    FILE *file = fdopen(fd, "w+");
    if (file == NULL)
        close(fd);
    return file;
}
