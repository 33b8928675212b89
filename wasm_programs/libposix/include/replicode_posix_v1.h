/* The raw imports of module `replicode_posix_v1`; README.md beside this folder describes them. Programs use the POSIX
 * functions instead. All functions answer a result >= 0, or the negative of an error number of <errno.h>. In `flags`,
 * 0x4000 is non-blocking and 0x2000 close-on-exec, as in SOCK_NONBLOCK and SOCK_CLOEXEC. */
#ifndef REPLICODE_POSIX_V1_H
#define REPLICODE_POSIX_V1_H

#include <stdint.h>

#define REPLICODE_POSIX_V1(name) __attribute__((import_module("replicode_posix_v1"), import_name(name)))

#define REPLICODE_NONBLOCK 0x4000
#define REPLICODE_CLOEXEC 0x2000

REPLICODE_POSIX_V1("dup") int32_t replicode_posix_dup(int32_t fd, int32_t min, int32_t flags);
REPLICODE_POSIX_V1("dup3") int32_t replicode_posix_dup3(int32_t fd, int32_t to, int32_t flags);
REPLICODE_POSIX_V1("fd_flags") int32_t replicode_posix_fd_flags(int32_t fd, int32_t set);
REPLICODE_POSIX_V1("pipe") int32_t replicode_posix_pipe(int32_t flags, int *fds);
REPLICODE_POSIX_V1("socketpair")
int32_t replicode_posix_socketpair(int32_t domain, int32_t type, int32_t protocol, int *fds);
REPLICODE_POSIX_V1("poll") int32_t replicode_posix_poll(void *pollfds, uint32_t n, int64_t timeout_ns);
REPLICODE_POSIX_V1("epoll_create") int32_t replicode_posix_epoll_create(int32_t flags);
REPLICODE_POSIX_V1("epoll_ctl") int32_t replicode_posix_epoll_ctl(int32_t ep, int32_t op, int32_t fd, void *event);
REPLICODE_POSIX_V1("epoll_wait")
int32_t replicode_posix_epoll_wait(int32_t ep, void *events, int32_t max, int64_t timeout_ns);
REPLICODE_POSIX_V1("eventfd") int32_t replicode_posix_eventfd(uint32_t initial, int32_t flags);
REPLICODE_POSIX_V1("timerfd_create") int32_t replicode_posix_timerfd_create(int32_t clock, int32_t flags);
REPLICODE_POSIX_V1("timerfd_settime")
int32_t replicode_posix_timerfd_settime(int32_t fd, int32_t flags, const void *new_value, void *old_value);
REPLICODE_POSIX_V1("timerfd_gettime") int32_t replicode_posix_timerfd_gettime(int32_t fd, void *current);
REPLICODE_POSIX_V1("lock") int32_t replicode_posix_lock(int32_t fd, int32_t cmd, void *flock);
REPLICODE_POSIX_V1("flock") int32_t replicode_posix_flock(int32_t fd, int32_t op);
REPLICODE_POSIX_V1("sendmsg")
int32_t replicode_posix_sendmsg(int32_t fd, const void *iovs, uint32_t n, int32_t flags, const void *addr,
                                uint32_t addr_len);
REPLICODE_POSIX_V1("recvmsg")
int32_t replicode_posix_recvmsg(int32_t fd, const void *iovs, uint32_t n, int32_t flags, void *addr,
                                uint32_t *addr_len);
REPLICODE_POSIX_V1("getpid") int32_t replicode_posix_getpid(void);
REPLICODE_POSIX_V1("chmod")
int32_t replicode_posix_chmod(int32_t fd, const char *path, uint32_t len, int32_t flags, uint32_t mode);
REPLICODE_POSIX_V1("mode") int32_t replicode_posix_mode(int32_t fd, const char *path, uint32_t len, int32_t flags);

#endif
