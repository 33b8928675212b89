/* wasi-libc's <stdio.h> plus temporary files, stream locks (one thread: nothing to lock) and popen (refused). */
#ifndef LIBPOSIX_STDIO_H
#define LIBPOSIX_STDIO_H

/* It declares these as deprecated: that goes to names that nobody uses. */
#define tmpnam __wasilibc_tmpnam
#define tmpfile __wasilibc_tmpfile
#include_next <stdio.h>
#undef tmpnam
#undef tmpfile

#define TMP_MAX 10000
#define L_tmpnam 20
#define P_tmpdir "/tmp"

#ifdef __cplusplus
extern "C" {
#endif

char *tmpnam(char *);
FILE *tmpfile(void);
void flockfile(FILE *);
int ftrylockfile(FILE *);
void funlockfile(FILE *);
FILE *popen(const char *, const char *);
int pclose(FILE *);
char *tempnam(const char *, const char *);
#define tmpfile64 tmpfile

#ifdef __cplusplus
}
#endif

#endif
