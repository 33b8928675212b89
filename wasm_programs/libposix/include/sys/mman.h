/* wasi-libc's <sys/mman.h> without its switch. Anonymous and private mappings are memory; shared mappings of files are
 * refused. */
#ifndef LIBPOSIX_SYS_MMAN_H
#define LIBPOSIX_SYS_MMAN_H

#ifndef _WASI_EMULATED_MMAN
#define _WASI_EMULATED_MMAN
#endif
#include_next <sys/mman.h>

#endif
