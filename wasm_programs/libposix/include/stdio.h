/* wasi-libc's <stdio.h> plus temporary files, stream locks (one thread: nothing to lock) and popen (refused). */
#ifndef LIBPOSIX_STDIO_H
#define LIBPOSIX_STDIO_H

#include_next <stdio.h>

#define TMP_MAX 10000
#define L_tmpnam 20
#define P_tmpdir "/tmp"

#ifdef __cplusplus
extern "C" {
#endif

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
