/* epoll: wanted events and their bits are Linux's. */
#ifndef LIBPOSIX_SYS_EPOLL_H
#define LIBPOSIX_SYS_EPOLL_H

#include <signal.h>
#include <time.h>

#include_next <sys/epoll.h>

#ifdef __cplusplus
extern "C" {
#endif

int epoll_pwait2(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);

#ifdef __cplusplus
}
#endif

#endif
