/* epoll, eventfd and timerfd: kernel objects; each call is one import. */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "internal.h"

_Static_assert(sizeof(struct epoll_event) == 16, "the kernel's layout");
_Static_assert(sizeof(struct itimerspec) == 32, "the kernel's layout");

/* Programs give these either as EPOLL_CLOEXEC and its kin or as the numbers of sockets. */
static int32_t flags_of(int flags) {
    return (flags & O_NONBLOCK ? REPLICODE_NONBLOCK : 0) | (flags & O_CLOEXEC ? REPLICODE_CLOEXEC : 0);
}

int epoll_create(int size) { return size <= 0 ? fail(EINVAL) : checked(replicode_posix_epoll_create(0)); }

int epoll_create1(int flags) {
    return flags & ~O_CLOEXEC ? fail(EINVAL) : checked(replicode_posix_epoll_create(flags_of(flags)));
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *event) {
    return checked(replicode_posix_epoll_ctl(ep, op, fd, event));
}

int epoll_wait(int ep, struct epoll_event *events, int max, int timeout) {
    return checked(replicode_posix_epoll_wait(ep, events, max, timeout < 0 ? -1 : timeout * (int64_t)1000000));
}

int epoll_pwait(int ep, struct epoll_event *events, int max, int timeout, const sigset_t *mask) {
    (void)mask;
    return epoll_wait(ep, events, max, timeout);
}

int epoll_pwait2(int ep, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask) {
    (void)mask;
    int64_t wait = timeout == NULL ? -1 : __libposix_nanoseconds(timeout->tv_sec, timeout->tv_nsec);
    return wait == -2 ? fail(EINVAL) : checked(replicode_posix_epoll_wait(ep, events, max, wait));
}

int eventfd(unsigned initial, int flags) {
    if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
        return fail(EINVAL);
    return checked(replicode_posix_eventfd(initial, flags_of(flags) | (flags & EFD_SEMAPHORE)));
}

int eventfd_read(int fd, eventfd_t *value) { return read(fd, value, sizeof *value) == sizeof *value ? 0 : -1; }

int eventfd_write(int fd, eventfd_t value) { return write(fd, &value, sizeof value) == sizeof value ? 0 : -1; }

int timerfd_create(int clock, int flags) {
    if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
        return fail(EINVAL);
    if (clock == CLOCK_BOOTTIME)
        clock = CLOCK_MONOTONIC;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return fail(EINVAL);
    return checked(replicode_posix_timerfd_create(clock, flags_of(flags)));
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old) {
    /* The real-time clock is not set while a cell runs, so there is nothing to be cancelled by. */
    return checked(replicode_posix_timerfd_settime(fd, flags & ~TFD_TIMER_CANCEL_ON_SET, value, old));
}

int timerfd_gettime(int fd, struct itimerspec *current) {
    return checked(replicode_posix_timerfd_gettime(fd, current));
}
