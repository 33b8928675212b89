/* What the sources of libposix share. */
#ifndef LIBPOSIX_INTERNAL_H
#define LIBPOSIX_INTERNAL_H

#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "replicode_posix_v1.h"

/* The result of an import of ours: negative is the negated error number. */
static inline int checked(int32_t result) {
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return result;
}

static inline int fail(int error) {
    errno = error;
    return -1;
}

/* Where the kernel looks for a path: a directory's descriptor, and the path from there. `text` is used when the path had
 * to be put together. */
struct place {
    int fd;
    const char *path;
    char text[PATH_MAX];
};

/* Finds the place of `path`, seen from `dirfd` (or AT_FDCWD). 0, or -1 with errno. */
int __libposix_locate(int dirfd, const char *path, struct place *place);

/* The absolute path of an open directory, into `text` of PATH_MAX. 0, or -1 with errno. */
int __libposix_path_of(int fd, char *text);

/* Nanoseconds of a timeout for the kernel, -1 for ever; EINVAL (-2) when it is no time. */
int64_t __libposix_nanoseconds(int64_t seconds, int64_t nanoseconds);

/* The program's name without folders: what it was started as. */
const char *__libposix_program_name(void);

/* Runs the handler of SIGABRT, if there is one: set by sigaction, so that abort alone needs no signals. */
extern void (*__libposix_on_abort)(void);

#endif
