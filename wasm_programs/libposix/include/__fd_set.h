/* The macros of fd_set. */
#ifndef __wasilibc___fd_set_h
#define __wasilibc___fd_set_h

#include <__typedef_fd_set.h>

#define __FD_BIT(d) (1UL << ((d) % (8 * sizeof(long))))
#define FD_ZERO(s) ((void)__builtin_memset((s), 0, sizeof(fd_set)))
#define FD_SET(d, s) ((void)((s)->fds_bits[(d) / (8 * sizeof(long))] |= __FD_BIT(d)))
#define FD_CLR(d, s) ((void)((s)->fds_bits[(d) / (8 * sizeof(long))] &= ~__FD_BIT(d)))
#define FD_ISSET(d, s) (!!((s)->fds_bits[(d) / (8 * sizeof(long))] & __FD_BIT(d)))

#endif
