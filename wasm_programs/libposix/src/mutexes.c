/* Mutexes of one thread. What is held is held by the caller, so nothing is ever waited for: a recursive mutex counts, and any other
 * is held already, which lock answers with EDEADLK (on Linux a normal mutex would keep the caller for ever) and trylock with EBUSY.
 *
 * libc has these functions, but looks at the type in such a way that a recursive mutex is refused the second time, and a normal
 * one given twice. Both names of each are defined, so that the SDK can leave libc's objects out. */
#include <limits.h>
#include <pthread.h>

#include "internal.h"

/* Where pthread_mutex_init, of libc, puts the type, and where a count of zeros means that nobody holds it. */
#define TYPE(mutex) ((mutex)->__u.__i[0] & 3)
#define COUNT(mutex) ((mutex)->__u.__i[5])

static int take(pthread_mutex_t *mutex, int held) {
    if (COUNT(mutex) == 0 || TYPE(mutex) == PTHREAD_MUTEX_RECURSIVE) {
        if (COUNT(mutex) == INT_MAX)
            return EAGAIN;
        COUNT(mutex)++;
        return 0;
    }
    return held;
}

int __pthread_mutex_lock(pthread_mutex_t *mutex) { return take(mutex, EDEADLK); }

int __pthread_mutex_trylock(pthread_mutex_t *mutex) { return take(mutex, EBUSY); }

int __pthread_mutex_unlock(pthread_mutex_t *mutex) {
    if (COUNT(mutex) == 0)
        return EPERM;
    COUNT(mutex)--;
    return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex) { return __pthread_mutex_lock(mutex); }
int pthread_mutex_trylock(pthread_mutex_t *mutex) { return __pthread_mutex_trylock(mutex); }
int pthread_mutex_unlock(pthread_mutex_t *mutex) { return __pthread_mutex_unlock(mutex); }
