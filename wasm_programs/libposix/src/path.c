/* Where a path leads: the current directory, `..`, and which open directory the kernel looks from. wasi-libc's own
 * answer to this (chdir.c, posix.c, at_fdcwd.c) is replaced whole: it takes an empty path for the current directory and
 * never normalises. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>
#include <wasi/libc-find-relpath.h>

#include "internal.h"

/* Absolute, without links, `.` or `..`, and without a slash at its end unless it is the root. */
static char current[PATH_MAX] = "/";
char *__wasilibc_cwd = current; /* the name it has in wasi-libc */

/* Whether a component of the path is `..`. */
static int climbs(const char *path) {
    for (const char *p = path; (p = strstr(p, "..")) != NULL; p += 2)
        if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
            return 1;
    return 0;
}

/* `base` + "/" + `path` into `text`; `..` of the root is the root. Other `..` stay: they depend on links, which only the
 * kernel sees. */
static int join(const char *base, const char *path, char *text) {
    size_t at = 0;
    int depth = 0;
    for (int part = 0; part < 2; part++)
        for (const char *p = part == 0 ? base : path; *p != '\0';) {
            if (*p == '/') {
                p++;
                continue;
            }
            size_t len = strcspn(p, "/");
            int up = len == 2 && p[0] == '.' && p[1] == '.', here = len == 1 && p[0] == '.';
            int last_slash = p[len] == '/' && p[len + strspn(p + len, "/")] == '\0' && part == 1;
            if (!(up && depth == 0) && !(here && !last_slash && (part == 0 || p[len] != '\0' || at > 0))) {
                if (at + len + 3 > PATH_MAX)
                    return fail(ENAMETOOLONG);
                text[at++] = '/';
                memcpy(text + at, p, len);
                at += len;
                if (last_slash)
                    text[at++] = '/';
                depth += up ? -1 : here ? 0 : 1;
            }
            p += len;
        }
    if (at == 0)
        text[at++] = '/';
    text[at] = '\0';
    return 0;
}

/* The open directory that holds an absolute path. With `..` in it only the root will do: others confine. */
static int hold(const char *text, struct place *place) {
    const char *prefix;
    if (climbs(text) && (place->fd = __wasilibc_find_abspath("/", &prefix, &place->path)) >= 0 && prefix[0] == '\0') {
        place->path = text + strspn(text, "/");
        return 0;
    }
    place->fd = __wasilibc_find_abspath(text, &prefix, &place->path);
    return place->fd < 0 ? fail(ENOENT) : 0;
}

int __libposix_locate(int dirfd, const char *path, struct place *place) {
    if (path[0] == '\0')
        return fail(ENOENT);
    int climbing = climbs(path);
    if (path[0] == '/' || (dirfd == AT_FDCWD && current[1] == '\0')) {
        if (!climbing)
            return hold(path, place);
        return join("", path, place->text) < 0 ? -1 : hold(place->text, place);
    }
    if (dirfd == AT_FDCWD)
        return join(current, path, place->text) < 0 ? -1 : hold(place->text, place);
    if (climbing) { /* the kernel does not look above a directory that is given: go from the root */
        char base[PATH_MAX];
        if (__libposix_path_of(dirfd, base) == 0)
            return join(base, path, place->text) < 0 ? -1 : hold(place->text, place);
    }
    place->fd = dirfd;
    place->path = path;
    return 0;
}

int __libposix_path_of(int fd, char *text) {
    char link[32];
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        return -1;
    if (!S_ISDIR(stat.st_mode))
        return fail(ENOTDIR);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, text, PATH_MAX - 1);
    if (len <= 0)
        return fail(ENOTSUP);
    text[len] = '\0';
    return 0;
}

/* musl's realpath in steps of readlink; wasi-libc's takes names apart too early for `..`. */
char *realpath(const char *restrict path, char *restrict out) {
    char rest[PATH_MAX], done[PATH_MAX], target[PATH_MAX];
    int links = 0;
    if (path == NULL) {
        errno = EINVAL;
        return NULL;
    }
    if (path[0] == '\0' || strlen(path) >= PATH_MAX) {
        errno = path[0] == '\0' ? ENOENT : ENAMETOOLONG;
        return NULL;
    }
    strcpy(rest, path);
    strcpy(done, path[0] == '/' || current[1] == '\0' ? "" : current);
    char *p = rest;
    while (*(p += strspn(p, "/")) != '\0') {
        size_t len = strcspn(p, "/"), at = strlen(done);
        if (len == 1 && p[0] == '.') {
            p += len;
            continue;
        }
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            char *slash = strrchr(done, '/');
            if (slash != NULL)
                *slash = '\0';
            p += len;
            continue;
        }
        if (at + len + 2 > PATH_MAX)
            goto too_long;
        done[at] = '/';
        memcpy(done + at + 1, p, len);
        done[at + 1 + len] = '\0';
        p += len;
        ssize_t n = readlink(done, target, sizeof target - 1);
        if (n < 0) {
            if (errno != EINVAL)
                return NULL;
            if (*p != '\0') { /* something follows, so this must be a directory */
                struct stat stat;
                if (lstat(done, &stat) < 0)
                    return NULL;
                if (!S_ISDIR(stat.st_mode)) {
                    errno = ENOTDIR;
                    return NULL;
                }
            }
            continue;
        }
        if (++links > 40) {
            errno = ELOOP;
            return NULL;
        }
        size_t more = strlen(p);
        if (n + more + 1 > PATH_MAX)
            goto too_long;
        memmove(rest + n, p, more + 1);
        memcpy(rest, target, n);
        p = rest;
        if (target[0] == '/')
            done[0] = '\0';
        else
            done[at] = '\0';
    }
    if (done[0] == '\0')
        strcpy(done, "/");
    return out == NULL ? strdup(done) : strcpy(out, done);
too_long:
    errno = ENAMETOOLONG;
    return NULL;
}

int chdir(const char *path) {
    char text[PATH_MAX];
    struct stat stat_of;
    if (realpath(path, text) == NULL)
        return -1;
    if (stat(text, &stat_of) < 0)
        return -1;
    if (!S_ISDIR(stat_of.st_mode))
        return fail(ENOTDIR);
    strcpy(current, text);
    return 0;
}

int fchdir(int fd) {
    char text[PATH_MAX];
    if (__libposix_path_of(fd, text) < 0)
        return -1;
    strcpy(current, text);
    return 0;
}

char *getcwd(char *buffer, size_t room) {
    size_t len = strlen(current) + 1;
    if (buffer != NULL && room == 0) {
        errno = EINVAL;
        return NULL;
    }
    if (buffer == NULL && (buffer = malloc(room = room > len ? room : len)) == NULL)
        return NULL;
    if (room < len) {
        errno = ERANGE;
        return NULL;
    }
    return memcpy(buffer, current, len);
}

char *get_current_dir_name(void) { return getcwd(NULL, 0); }

int chroot(const char *path) {
    char text[PATH_MAX];
    if (realpath(path, text) == NULL)
        return -1;
    return strcmp(text, "/") == 0 ? 0 : fail(EPERM);
}

/* For whoever asks wasi-libc for the place of a path. */
int __wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *room, int may_grow) {
    struct place place;
    if (__libposix_locate(AT_FDCWD, path, &place) < 0)
        return -1;
    size_t len = strlen(place.path) + 1;
    if (*room < len) {
        char *more = may_grow ? realloc(*relative, len) : NULL;
        if (more == NULL)
            return fail(may_grow ? ENOMEM : ERANGE);
        *relative = more;
        *room = len;
    }
    memcpy(*relative, place.path, len);
    *prefix = "";
    return place.fd;
}
