/* wasi-libc's <sys/times.h> without its switch. */
#ifndef LIBPOSIX_SYS_TIMES_H
#define LIBPOSIX_SYS_TIMES_H

#ifndef _WASI_EMULATED_PROCESS_CLOCKS
#define _WASI_EMULATED_PROCESS_CLOCKS
#endif
#include_next <sys/times.h>

#endif
