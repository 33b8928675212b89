/* fd_set as the bitmap that programs expect; wasi-libc has a list, which is searched at every FD_SET. */
#ifndef __wasilibc___typedef_fd_set_h
#define __wasilibc___typedef_fd_set_h

#include <__macro_FD_SETSIZE.h>

typedef long fd_mask;
#define NFDBITS (8 * (int)sizeof(long))

typedef struct {
    unsigned long fds_bits[FD_SETSIZE / 8 / sizeof(long)];
} fd_set;

#endif
