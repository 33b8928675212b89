/* wasi-libc's <fcntl.h> plus locks, F_DUPFD and a close-on-exec flag that is kept. */
#ifndef LIBPOSIX_FCNTL_H
#define LIBPOSIX_FCNTL_H

#include_next <fcntl.h>

/* A bit that wasi-libc leaves free; there is no exec, but fcntl(F_GETFD) answers it. */
#undef O_CLOEXEC
#define O_CLOEXEC 0x20000000
#define O_NDELAY O_NONBLOCK

#define F_DUPFD 0
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#define F_SETOWN 8
#define F_GETOWN 9
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#define F_DUPFD_CLOEXEC 1030
#define F_GETLK64 F_GETLK
#define F_SETLK64 F_SETLK
#define F_SETLKW64 F_SETLKW
#define flock64 flock

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2

#ifndef F_OK
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#endif

#define FAPPEND O_APPEND
#define FNDELAY O_NONBLOCK
#define FNONBLOCK O_NONBLOCK

#define AT_EMPTY_PATH 0x1000

#ifndef S_IRUSR
#define S_IRUSR 0400
#define S_IWUSR 0200
#define S_IXUSR 0100
#define S_IRWXU 0700
#define S_IRGRP 0040
#define S_IWGRP 0020
#define S_IXGRP 0010
#define S_IRWXG 0070
#define S_IROTH 0004
#define S_IWOTH 0002
#define S_IXOTH 0001
#define S_IRWXO 0007
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_XOPEN_SOURCE) || defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
#define F_ULOCK 0
#define F_LOCK 1
#define F_TLOCK 2
#define F_TEST 3
int lockf(int, int, off_t);
#define lockf64 lockf
#endif
#ifdef _GNU_SOURCE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
int fallocate(int, int, off_t, off_t);
#define fallocate64 fallocate
#endif

#ifdef __cplusplus
}
#endif

#endif
