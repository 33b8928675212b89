/* wasi-libc's <sys/random.h> plus getrandom. */
#ifndef LIBPOSIX_SYS_RANDOM_H
#define LIBPOSIX_SYS_RANDOM_H

#include <sys/types.h>

#include_next <sys/random.h>

#define GRND_NONBLOCK 1
#define GRND_RANDOM 2
#define GRND_INSECURE 4

#ifdef __cplusplus
extern "C" {
#endif

ssize_t getrandom(void *, size_t, unsigned);

#ifdef __cplusplus
}
#endif

#endif
