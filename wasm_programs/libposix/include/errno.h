/* wasi-libc's <errno.h> plus names that no call here answers with, so that programs which list them compile. */
#ifndef LIBPOSIX_ERRNO_H
#define LIBPOSIX_ERRNO_H

#include_next <errno.h>

/* libc++'s <errno.h> has these four with the same numbers. */
#ifndef ENODATA
#define ENODATA 9919
#define ENOSR 9922
#define ENOSTR 9924
#define ETIME 9935
#endif
#define ENOTBLK 100
#define ENONET 105
#define EREMOTE 106
#define ECOMM 107
#define ENOTUNIQ 108
#define EBADFD 109
#define EUSERS 110
#define ESOCKTNOSUPPORT 111
#define EPFNOSUPPORT 112
#define ESHUTDOWN 113
#define ETOOMANYREFS 114
#define EHOSTDOWN 115
#define EREMOTEIO 116
#define ENOMEDIUM 117
#define EMEDIUMTYPE 118
#define ECHRNG 119
#define EL2HLT 120
#define ENOKEY 121
#define ERESTART 122
#define EPROCLIM 123

#endif
