/* The system-dependent part of <poll.h>: wasi-libc's bits plus POLLPRI and the rest. */
#ifndef __wasilibc___header_poll_h
#define __wasilibc___header_poll_h

#include <__struct_pollfd.h>
#include <__typedef_nfds_t.h>

#define POLLRDNORM 0x1
#define POLLWRNORM 0x2
#define POLLIN POLLRDNORM
#define POLLOUT POLLWRNORM
#define POLLPRI 0x4
#define POLLRDHUP 0x8
#define POLLRDBAND 0x10
#define POLLWRBAND 0x20
#define POLLERR 0x1000
#define POLLHUP 0x2000
#define POLLNVAL 0x4000

#endif
