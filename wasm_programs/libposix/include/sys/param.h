/* wasi-libc's <sys/param.h>, with <sys/resource.h> as elsewhere. */
#ifndef LIBPOSIX_SYS_PARAM_H
#define LIBPOSIX_SYS_PARAM_H

#ifndef _WASI_EMULATED_PROCESS_CLOCKS
#define _WASI_EMULATED_PROCESS_CLOCKS
#endif
#include_next <sys/param.h>

#endif
