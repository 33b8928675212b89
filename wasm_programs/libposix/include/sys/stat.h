/* wasi-libc's <sys/stat.h> plus umask, special files (refused) and the bits that it misplaces. */
#ifndef LIBPOSIX_SYS_STAT_H
#define LIBPOSIX_SYS_STAT_H

#include_next <sys/stat.h>

/* wasi-libc has these three elsewhere, so that `mode & 07777` loses them. */
#undef S_ISVTX
#undef S_ISGID
#undef S_ISUID
#define S_ISVTX 01000
#define S_ISGID 02000
#define S_ISUID 04000

#ifdef __cplusplus
extern "C" {
#endif

mode_t umask(mode_t);
int mkfifo(const char *, mode_t);
int mkfifoat(int, const char *, mode_t);
int mknod(const char *, mode_t, dev_t);
int mknodat(int, const char *, mode_t, dev_t);
int lchmod(const char *, mode_t);

#ifdef __cplusplus
}
#endif

#endif
