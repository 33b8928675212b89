/* Which WASI a program is built for, for programs that ask as newer versions of wasi-libc let them. */
#ifndef LIBPOSIX_WASI_VERSION_H
#define LIBPOSIX_WASI_VERSION_H

#ifndef __wasip1__
#define __wasip1__ 1
#endif

#endif
