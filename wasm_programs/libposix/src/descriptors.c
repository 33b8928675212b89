/* Descriptors: dup and fcntl, pipes, record locks and flock. Each is an import; the flags are translated. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <unistd.h>
#include <wasi/api.h>

#include "internal.h"

static int32_t flags_of(int flags) {
    return (flags & O_NONBLOCK ? REPLICODE_NONBLOCK : 0) | (flags & O_CLOEXEC ? REPLICODE_CLOEXEC : 0);
}

int dup(int fd) { return checked(replicode_posix_dup(fd, 0, 0)); }

int dup2(int fd, int to) {
    if (fd == to) /* nothing to do, but the descriptor must be open */
        return replicode_posix_fd_flags(fd, -1) < 0 ? fail(EBADF) : to;
    return checked(replicode_posix_dup3(fd, to, 0));
}

int dup3(int fd, int to, int flags) {
    if (flags & ~O_CLOEXEC)
        return fail(EINVAL);
    return checked(replicode_posix_dup3(fd, to, flags_of(flags)));
}

int pipe2(int fds[2], int flags) {
    if (flags & ~(O_CLOEXEC | O_NONBLOCK))
        return fail(EINVAL);
    return checked(replicode_posix_pipe(flags_of(flags), fds));
}

int pipe(int fds[2]) { return checked(replicode_posix_pipe(0, fds)); }

static int get_flags(int fd) {
    __wasi_fdstat_t stat;
    int error = __wasi_fd_fdstat_get(fd, &stat);
    if (error != 0)
        return fail(error);
    int readable = (stat.fs_rights_base & (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_READDIR)) != 0;
    int writable = (stat.fs_rights_base & __WASI_RIGHTS_FD_WRITE) != 0;
    /* A directory has the right to be written to in some hosts; it is open for reading. */
    if (stat.fs_filetype == __WASI_FILETYPE_DIRECTORY)
        return stat.fs_flags | O_RDONLY;
    return stat.fs_flags | (readable && writable ? O_RDWR : writable ? O_WRONLY : O_RDONLY);
}

static int set_flags(int fd, int flags) {
    /* Only these can change; the others are not looked at, as in POSIX. */
    int error = __wasi_fd_fdstat_set_flags(fd, flags & (O_APPEND | O_NONBLOCK));
    return error == 0 ? 0 : fail(error);
}

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    int result;
    switch (command) {
    case F_GETFL: result = get_flags(fd); break;
    case F_SETFL: result = set_flags(fd, va_arg(arguments, int)); break;
    case F_GETFD: result = checked(replicode_posix_fd_flags(fd, -1)); break;
    case F_SETFD: result = checked(replicode_posix_fd_flags(fd, va_arg(arguments, int) & FD_CLOEXEC)); break;
    case F_DUPFD: result = checked(replicode_posix_dup(fd, va_arg(arguments, int), 0)); break;
    case F_DUPFD_CLOEXEC: result = checked(replicode_posix_dup(fd, va_arg(arguments, int), REPLICODE_CLOEXEC)); break;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: result = checked(replicode_posix_lock(fd, command, va_arg(arguments, struct flock *))); break;
    case F_GETOWN: result = 0; break;
    case F_SETOWN: result = 0; break; /* there are no signals from descriptors */
    default: result = fail(EINVAL);
    }
    va_end(arguments);
    return result;
}

int flock(int fd, int operation) { return checked(replicode_posix_flock(fd, operation)); }

int lockf(int fd, int command, off_t length) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = length};
    switch (command) {
    case F_TEST:
        lock.l_type = F_RDLCK;
        if (fcntl(fd, F_GETLK, &lock) < 0)
            return -1;
        return lock.l_type == F_UNLCK || lock.l_pid == getpid() ? 0 : fail(EACCES);
    case F_ULOCK: lock.l_type = F_UNLCK; /* fall through */
    case F_TLOCK: return fcntl(fd, F_SETLK, &lock);
    case F_LOCK: return fcntl(fd, F_SETLKW, &lock);
    default: return fail(EINVAL);
    }
}
