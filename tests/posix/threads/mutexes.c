/* Mutexes of the one thread: what is taken twice, and given back too often. */
#include "show.h"
#include <pthread.h>

static const char *answer(int error) { return error ? error_name(error) : "ok"; }

static void look(const char *kind, int type) {
    pthread_mutexattr_t attributes;
    pthread_mutex_t mutex;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    printf("%s: lock %s", kind, answer(pthread_mutex_lock(&mutex)));
    printf(", trylock %s", answer(pthread_mutex_trylock(&mutex)));
    if (type != PTHREAD_MUTEX_NORMAL) /* would wait for itself on Linux */
        printf(", lock %s", answer(pthread_mutex_lock(&mutex)));
    int times = type == PTHREAD_MUTEX_RECURSIVE ? 3 : 1;
    while (times--)
        printf(", unlock %s", answer(pthread_mutex_unlock(&mutex)));
    if (type != PTHREAD_MUTEX_NORMAL) /* undefined */
        printf(", unlock %s", answer(pthread_mutex_unlock(&mutex)));
    printf(", trylock %s", answer(pthread_mutex_trylock(&mutex)));
    printf(", unlock %s", answer(pthread_mutex_unlock(&mutex)));
    printf(", destroy %s\n", answer(pthread_mutex_destroy(&mutex)));
}

int main(void) {
    look("normal", PTHREAD_MUTEX_NORMAL);
    look("recursive", PTHREAD_MUTEX_RECURSIVE);
    look("errorcheck", PTHREAD_MUTEX_ERRORCHECK);

    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    printf("static: lock %s", answer(pthread_mutex_lock(&mutex)));
    printf(", trylock %s", answer(pthread_mutex_trylock(&mutex)));
    printf(", unlock %s\n", answer(pthread_mutex_unlock(&mutex)));
    return 0;
}
