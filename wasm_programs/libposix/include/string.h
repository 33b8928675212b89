/* wasi-libc's <string.h>, with two functions that it shows under _GNU_SOURCE only. */
#ifndef LIBPOSIX_STRING_H
#define LIBPOSIX_STRING_H

#include_next <string.h>

#if defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
#ifdef __cplusplus
extern "C" {
#endif

char *strcasestr(const char *, const char *);
void *memmem(const void *, size_t, const void *, size_t);

#ifdef __cplusplus
}
#endif
#endif

#endif
