/* wasi-libc's <pthread.h> for one thread, plus what it hides or has in no library. There is no second thread:
 * pthread_create answers an error, and so there is nobody to cancel or to schedule. */
#ifndef LIBPOSIX_PTHREAD_H
#define LIBPOSIX_PTHREAD_H

#include_next <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

int pthread_cancel(pthread_t);
int pthread_getschedparam(pthread_t, int *__restrict, struct sched_param *__restrict);
int pthread_setschedparam(pthread_t, int, const struct sched_param *);
int pthread_attr_getschedparam(const pthread_attr_t *__restrict, struct sched_param *__restrict);
int pthread_attr_setschedparam(pthread_attr_t *__restrict, const struct sched_param *__restrict);
int pthread_setname_np(pthread_t, const char *);
int pthread_getname_np(pthread_t, char *, size_t);
#ifndef pthread_exit
_Noreturn void pthread_exit(void *);
#endif

#ifdef __cplusplus
}
#endif

#endif
