/* poll and select: one import, with timeouts in nanoseconds. Signal masks of ppoll and pselect are not looked at: no
 * signal arrives while a program waits. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "internal.h"

int64_t __libposix_nanoseconds(int64_t seconds, int64_t nanoseconds) {
    int64_t total;
    if (nanoseconds < 0 || nanoseconds >= 1000000000 || seconds < 0)
        return -2;
    if (__builtin_mul_overflow(seconds, 1000000000, &total) || __builtin_add_overflow(total, nanoseconds, &total))
        return INT64_MAX;
    return total;
}

int poll(struct pollfd *fds, nfds_t n, int timeout) {
    return checked(replicode_posix_poll(fds, n, timeout < 0 ? -1 : timeout * (int64_t)1000000));
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
    (void)mask;
    int64_t wait = timeout == NULL ? -1 : __libposix_nanoseconds(timeout->tv_sec, timeout->tv_nsec);
    return wait == -2 ? fail(EINVAL) : checked(replicode_posix_poll(fds, n, wait));
}

enum { IN_SELECT = POLLIN | POLLHUP | POLLERR, OUT_SELECT = POLLOUT | POLLERR, EXCEPT_SELECT = POLLPRI };

static unsigned long word(const fd_set *set, int i) { return set == NULL ? 0 : set->fds_bits[i]; }

static int wait_for(int n, fd_set *reads, fd_set *writes, fd_set *excepts, int64_t wait) {
    enum { BITS = 8 * sizeof(long) };
    if (n < 0 || n > FD_SETSIZE)
        return fail(EINVAL);
    struct pollfd *entries = malloc((n + 1) * sizeof *entries);
    int count = 0;
    if (entries == NULL)
        return fail(ENOMEM);
    for (int i = 0; i * BITS < n; i++) {
        unsigned long all = word(reads, i) | word(writes, i) | word(excepts, i);
        while (all != 0) {
            int bit = __builtin_ctzl(all), fd = i * BITS + bit;
            unsigned long mask = 1UL << bit;
            all &= all - 1;
            if (fd >= n)
                break;
            entries[count++] = (struct pollfd){
                .fd = fd,
                .events = (word(reads, i) & mask ? POLLIN : 0) | (word(writes, i) & mask ? POLLOUT : 0) |
                          (word(excepts, i) & mask ? POLLPRI : 0),
            };
        }
    }
    int result = replicode_posix_poll(entries, count, wait);
    for (int i = 0; i < count && result >= 0; i++)
        if (entries[i].revents & POLLNVAL)
            result = -EBADF;
    if (result < 0) { /* the sets stay as they were */
        free(entries);
        return fail(-result);
    }
    size_t bytes = ((size_t)n + BITS - 1) / BITS * sizeof(long);
    if (reads != NULL)
        memset(reads, 0, bytes);
    if (writes != NULL)
        memset(writes, 0, bytes);
    if (excepts != NULL)
        memset(excepts, 0, bytes);
    int bits = 0;
    for (int i = 0; i < count; i++) {
        int fd = entries[i].fd, got = entries[i].revents, asked = entries[i].events;
        if (asked & POLLIN && got & IN_SELECT)
            FD_SET(fd, reads), bits++;
        if (asked & POLLOUT && got & OUT_SELECT)
            FD_SET(fd, writes), bits++;
        if (asked & POLLPRI && got & EXCEPT_SELECT)
            FD_SET(fd, excepts), bits++;
    }
    free(entries);
    return bits;
}

int pselect(int n, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
            const struct timespec *restrict timeout, const sigset_t *restrict mask) {
    (void)mask;
    int64_t wait = timeout == NULL ? -1 : __libposix_nanoseconds(timeout->tv_sec, timeout->tv_nsec);
    return wait == -2 ? fail(EINVAL) : wait_for(n, reads, writes, excepts, wait);
}

int select(int n, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
           struct timeval *restrict timeout) {
    int64_t wait = -1;
    if (timeout != NULL) { /* microseconds beyond a second carry over, as in Linux */
        if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
            return fail(EINVAL);
        wait = __libposix_nanoseconds(timeout->tv_sec + timeout->tv_usec / 1000000, timeout->tv_usec % 1000000 * 1000);
    }
    return wait_for(n, reads, writes, excepts, wait);
}
