/* wasi-libc's <limits.h> plus the limit of a pipe's atomic writes. */
#ifndef LIBPOSIX_LIMITS_H
#define LIBPOSIX_LIMITS_H

#include_next <limits.h>

#ifndef PIPE_BUF
#define PIPE_BUF 4096
#endif

#endif
