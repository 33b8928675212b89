/* Calls on paths: each finds its place and asks the kernel. The mode of new files is the program's, less its umask. */
#define _BSD_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>
#include <wasi/api.h>
#include <wasi/libc.h>
#include <wasi/libc-nocwd.h>

#include "internal.h"

/* What the kernel gives to new files and directories. */
enum { NEW_FILE = 0644, NEW_DIRECTORY = 0755 };

static mode_t mask = 022;

mode_t umask(mode_t new_mask) {
    mode_t old = mask;
    mask = new_mask & 0777;
    return old;
}

static int result(__wasi_errno_t error) { return error == 0 ? 0 : fail(error); }

static int open_at(int dirfd, const char *path, int flags, mode_t mode) {
    struct place place;
    if (__libposix_locate(dirfd, path, &place) < 0)
        return -1;
    if (!(flags & O_ACCMODE)) /* a program that has a plain 0 for O_RDONLY */
        flags |= O_RDONLY;
    int close_on_exec = flags & O_CLOEXEC, created = 0, fd = -1;
    flags &= ~O_CLOEXEC;
    mode = mode & 07777 & ~mask;
    if ((flags & O_CREAT) && mode != NEW_FILE) {
        /* To give it its mode one must know whether it is new. */
        fd = __wasilibc_nocwd_openat_nomode(place.fd, place.path, flags | O_EXCL);
        if (fd < 0 && (errno != EEXIST || (flags & O_EXCL)))
            return -1;
        created = fd >= 0;
    }
    if (fd < 0 && (fd = __wasilibc_nocwd_openat_nomode(place.fd, place.path, flags)) < 0)
        return -1;
    if (created)
        replicode_posix_chmod(fd, NULL, 0, 0, mode);
    if (close_on_exec)
        replicode_posix_fd_flags(fd, FD_CLOEXEC);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(dirfd, path, flags, mode);
}

int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* What wasi-libc's fopen calls. */
int __wasilibc_open_nomode(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0666); }

int truncate(const char *path, off_t length) {
    int fd = open_at(AT_FDCWD, path, O_WRONLY, 0);
    if (fd < 0)
        return -1;
    int done = ftruncate(fd, length), error = errno;
    close(fd);
    errno = error;
    return done;
}

int unlinkat(int dirfd, const char *path, int flags) {
    struct place place;
    if (flags & ~AT_REMOVEDIR)
        return fail(EINVAL);
    if (__libposix_locate(dirfd, path, &place) < 0)
        return -1;
    return result(flags & AT_REMOVEDIR ? __wasi_path_remove_directory(place.fd, place.path)
                                       : __wasi_path_unlink_file(place.fd, place.path));
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int __wasilibc_unlinkat(int dirfd, const char *path) { return unlinkat(dirfd, path, 0); }

int __wasilibc_rmdirat(int dirfd, const char *path) { return unlinkat(dirfd, path, AT_REMOVEDIR); }

int remove(const char *path) {
    int done = unlink(path);
    return done < 0 && errno == EISDIR ? rmdir(path) : done;
}

int mkdirat(int dirfd, const char *path, mode_t mode) {
    struct place place;
    if (__libposix_locate(dirfd, path, &place) < 0 || result(__wasi_path_create_directory(place.fd, place.path)) < 0)
        return -1;
    mode = mode & 07777 & ~mask;
    if (mode != NEW_DIRECTORY)
        replicode_posix_chmod(place.fd, place.path, strlen(place.path), 0, mode);
    return 0;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int symlinkat(const char *target, int dirfd, const char *path) {
    struct place place;
    if (target[0] == '\0')
        return fail(ENOENT);
    return __libposix_locate(dirfd, path, &place) < 0 ? -1 : result(__wasi_path_symlink(target, place.fd, place.path));
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

ssize_t readlinkat(int dirfd, const char *restrict path, char *restrict buffer, size_t room) {
    struct place place;
    size_t len = 0;
    if (room == 0)
        return fail(EINVAL);
    if (__libposix_locate(dirfd, path, &place) < 0)
        return -1;
    int error = __wasi_path_readlink(place.fd, place.path, (uint8_t *)buffer, room, &len);
    return error == 0 ? (ssize_t)len : fail(error);
}

ssize_t readlink(const char *restrict path, char *restrict buffer, size_t room) {
    return readlinkat(AT_FDCWD, path, buffer, room);
}

int linkat(int old_fd, const char *old_path, int new_fd, const char *new_path, int flags) {
    struct place from, to;
    if (flags & ~AT_SYMLINK_FOLLOW)
        return fail(EINVAL);
    if (__libposix_locate(old_fd, old_path, &from) < 0 || __libposix_locate(new_fd, new_path, &to) < 0)
        return -1;
    if (flags & AT_SYMLINK_FOLLOW) { /* the kernel links what is named: name what it leads to */
        char text[PATH_MAX], whole[PATH_MAX];
        struct stat stat;
        if (fstatat(old_fd, old_path, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode)) {
            if (old_path[0] != '/' && old_fd != AT_FDCWD) {
                if (__libposix_path_of(old_fd, whole) < 0)
                    return -1;
                if (strlen(whole) + strlen(old_path) + 2 > sizeof whole)
                    return fail(ENAMETOOLONG);
                strcat(strcat(whole, "/"), old_path);
                old_path = whole;
            }
            if (realpath(old_path, text) == NULL || __libposix_locate(AT_FDCWD, text, &from) < 0)
                return -1;
            return result(__wasi_path_link(from.fd, 0, from.path, to.fd, to.path));
        }
    }
    return result(__wasi_path_link(from.fd, 0, from.path, to.fd, to.path));
}

int link(const char *old_path, const char *new_path) { return linkat(AT_FDCWD, old_path, AT_FDCWD, new_path, 0); }

int renameat(int old_fd, const char *old_path, int new_fd, const char *new_path) {
    struct place from, to;
    if (__libposix_locate(old_fd, old_path, &from) < 0 || __libposix_locate(new_fd, new_path, &to) < 0)
        return -1;
    return result(__wasi_path_rename(from.fd, from.path, to.fd, to.path));
}

int rename(const char *old_path, const char *new_path) { return renameat(AT_FDCWD, old_path, AT_FDCWD, new_path); }

DIR *opendirat(int dirfd, const char *path) {
    int fd = open_at(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return fd < 0 ? NULL : fdopendir(fd);
}

DIR *opendir(const char *path) { return opendirat(AT_FDCWD, path); }

int scandirat(int dirfd, const char *path, struct dirent ***names, int (*choose)(const struct dirent *),
              int (*compare)(const struct dirent **, const struct dirent **)) {
    struct place place;
    if (__libposix_locate(dirfd, path, &place) < 0)
        return -1;
    return __wasilibc_nocwd_scandirat(place.fd, place.path, names, choose, compare);
}

int scandir(const char *restrict path, struct dirent ***restrict names, int (*choose)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **)) {
    return scandirat(AT_FDCWD, path, names, choose, compare);
}

int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags) {
    struct place place;
    if (path == NULL)
        return futimens(dirfd, times);
    return __libposix_locate(dirfd, path, &place) < 0
               ? -1
               : __wasilibc_nocwd_utimensat(place.fd, place.path, times, flags & AT_SYMLINK_NOFOLLOW);
}

static int set_times(int dirfd, const char *path, const struct timeval times[2], int flags) {
    struct timespec spec[2];
    if (times == NULL)
        return utimensat(dirfd, path, NULL, flags);
    for (int i = 0; i < 2; i++) {
        if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000)
            return fail(EINVAL);
        spec[i] = (struct timespec){.tv_sec = times[i].tv_sec, .tv_nsec = times[i].tv_usec * 1000};
    }
    return utimensat(dirfd, path, spec, flags);
}

int utimes(const char *path, const struct timeval times[2]) { return set_times(AT_FDCWD, path, times, 0); }

int lutimes(const char *path, const struct timeval times[2]) {
    return set_times(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

int futimes(int fd, const struct timeval times[2]) { return set_times(fd, NULL, times, 0); }

int futimesat(int dirfd, const char *path, const struct timeval times[2]) { return set_times(dirfd, path, times, 0); }

int utime(const char *path, const struct utimbuf *times) {
    if (times == NULL)
        return utimensat(AT_FDCWD, path, NULL, 0);
    struct timespec spec[2] = {{.tv_sec = times->actime}, {.tv_sec = times->modtime}};
    return utimensat(AT_FDCWD, path, spec, 0);
}

/* The names under which wasi-libc's own sources know some of these. */
int creat64(const char *, mode_t) __attribute__((alias("creat")));
int __futimesat(int, const char *, const struct timeval[2]) __attribute__((alias("futimesat")));

int __wasilibc_utimens(const char *path, const struct timespec times[2], int flags) {
    return utimensat(AT_FDCWD, path, times, flags);
}

int __wasilibc_link(const char *old_path, const char *new_path, int flags) {
    return linkat(AT_FDCWD, old_path, AT_FDCWD, new_path, flags);
}

int __wasilibc_link_oldat(int old_fd, const char *old_path, const char *new_path, int flags) {
    return linkat(old_fd, old_path, AT_FDCWD, new_path, flags);
}

int __wasilibc_link_newat(const char *old_path, int new_fd, const char *new_path, int flags) {
    return linkat(AT_FDCWD, old_path, new_fd, new_path, flags);
}

int __wasilibc_rename_oldat(int old_fd, const char *old_path, const char *new_path) {
    return renameat(old_fd, old_path, AT_FDCWD, new_path);
}

int __wasilibc_rename_newat(const char *old_path, int new_fd, const char *new_path) {
    return renameat(AT_FDCWD, old_path, new_fd, new_path);
}

/* Room without a file growing would be a promise that nothing keeps. */
int fallocate(int fd, int mode, off_t offset, off_t length) {
    if (mode != 0)
        return fail(EOPNOTSUPP);
    int error = posix_fallocate(fd, offset, length);
    return error == 0 ? 0 : fail(error);
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t length, unsigned flags) {
    char buffer[16384];
    size_t done = 0;
    if (flags != 0)
        return fail(EINVAL);
    while (done < length) {
        size_t want = length - done < sizeof buffer ? length - done : sizeof buffer;
        ssize_t got = from_at != NULL ? pread(from, buffer, want, *from_at + done) : read(from, buffer, want);
        if (got <= 0) {
            if (got < 0 && done == 0)
                return -1;
            break;
        }
        ssize_t put = to_at != NULL ? pwrite(to, buffer, got, *to_at + done) : write(to, buffer, got);
        if (put < 0 && done == 0)
            return -1;
        done += put < 0 ? 0 : put;
        if (put != got)
            break;
    }
    if (from_at != NULL)
        *from_at += done;
    if (to_at != NULL)
        *to_at += done;
    return done;
}
