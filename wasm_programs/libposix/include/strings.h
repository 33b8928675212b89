/* wasi-libc's <strings.h>, with an ffsll of its own name: libc's has another type, and the linker would warn of it. */
#ifndef LIBPOSIX_STRINGS_H
#define LIBPOSIX_STRINGS_H

#include_next <strings.h>

#if defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
#ifdef __cplusplus
extern "C" {
#endif
int ffsll(long long) __asm__("__libposix_ffsll");
#ifdef __cplusplus
}
#endif
#endif

#endif
