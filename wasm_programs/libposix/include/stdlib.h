/* wasi-libc's <stdlib.h> plus temporary files and the rest. */
#ifndef LIBPOSIX_STDLIB_H
#define LIBPOSIX_STDLIB_H

#include_next <stdlib.h>

#define WNOHANG    1
#define WUNTRACED  2

#define WEXITSTATUS(s) (((s) & 0xff00) >> 8)
#define WTERMSIG(s) ((s) & 0x7f)
#define WSTOPSIG(s) WEXITSTATUS(s)
#define WIFEXITED(s) (!WTERMSIG(s))
#define WIFSTOPPED(s) ((short)((((s)&0xffff)*0x10001U)>>8) > 0x7f00)
#define WIFSIGNALED(s) (((s)&0xffff)-1U < 0xffu)

#ifdef __cplusplus
extern "C" {
#endif

int mkstemp(char *);
int mkostemp(char *, int);
char *mkdtemp(char *);
int mkstemps(char *, int);
int mkostemps(char *, int, int);
char *mktemp(char *);
int getloadavg(double *, int);
int posix_openpt(int);
int grantpt(int);
int unlockpt(int);
char *ptsname(int);
#if defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
void *valloc(size_t);
void *memalign(size_t, size_t);
void qsort_r(void *, size_t, size_t, int (*)(const void *, const void *, void *), void *);
#endif

#ifdef __cplusplus
}
#endif

#endif
