/* Dynamic loading: a program is one module, so dlopen of a file fails and says so in dlerror. */
#ifndef LIBPOSIX_DLFCN_H
#define LIBPOSIX_DLFCN_H

#include_next <dlfcn.h>

#if defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;
int dladdr(const void *, Dl_info *);

#ifdef __cplusplus
}
#endif
#endif

#endif
