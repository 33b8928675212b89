/* ioctl: what there is of it for files, pipes and sockets. Anything else is for a terminal, which nothing is. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#include "internal.h"

/* How much can be read without waiting. */
static int readable(int fd, int *out) {
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        return -1;
    if (S_ISREG(stat.st_mode)) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        *out = at < stat.st_size ? stat.st_size - at : 0;
        return at < 0 ? -1 : 0;
    }
    __wasi_subscription_t ask[2] = {
        {.u.tag = __WASI_EVENTTYPE_FD_READ, .u.u.fd_read.file_descriptor = fd},
        {.u.tag = __WASI_EVENTTYPE_CLOCK, .u.u.clock.id = __WASI_CLOCKID_MONOTONIC},
    };
    __wasi_event_t events[2];
    size_t n;
    int error = __wasi_poll_oneoff(ask, events, 2, &n);
    if (error != 0)
        return fail(error);
    *out = 0;
    for (size_t i = 0; i < n; i++)
        if (events[i].type == __WASI_EVENTTYPE_FD_READ) {
            if (events[i].error != 0)
                return fail(events[i].error);
            *out = events[i].fd_readwrite.nbytes;
        }
    return 0;
}

static int set_nonblocking(int fd, int on) {
    __wasi_fdstat_t stat;
    int error = __wasi_fd_fdstat_get(fd, &stat);
    if (error == 0) {
        int flags = on ? stat.fs_flags | O_NONBLOCK : stat.fs_flags & ~O_NONBLOCK;
        error = __wasi_fd_fdstat_set_flags(fd, flags);
    }
    return error == 0 ? 0 : fail(error);
}

int ioctl(int fd, int request, ...) {
    struct stat stat;
    va_list arguments;
    va_start(arguments, request);
    int *value = request == FIOCLEX || request == FIONCLEX ? NULL : va_arg(arguments, int *);
    va_end(arguments);
    switch (request) {
    case FIONREAD: return readable(fd, value);
    case FIONBIO: return set_nonblocking(fd, *value);
    case FIOCLEX: return checked(replicode_posix_fd_flags(fd, FD_CLOEXEC));
    case FIONCLEX: return checked(replicode_posix_fd_flags(fd, 0));
    case SIOCATMARK: return sockatmark(fd) < 0 ? -1 : (*value = 0);
    default: return fstat(fd, &stat) < 0 ? -1 : fail(ENOTTY);
    }
}
