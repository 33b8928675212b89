/* What there is of threads with one of them: it has a name and a policy, and leaving it ends the program. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

int pthread_getschedparam(pthread_t thread, int *restrict policy, struct sched_param *restrict parameters) {
    (void)thread;
    *policy = SCHED_OTHER;
    memset(parameters, 0, sizeof *parameters);
    return 0;
}

int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *parameters) {
    (void)thread, (void)parameters;
    return policy == SCHED_OTHER ? 0 : EPERM;
}

int pthread_setschedprio(pthread_t thread, int priority) {
    (void)thread;
    return priority == 0 ? 0 : EPERM;
}

int pthread_attr_getschedpolicy(const pthread_attr_t *restrict attributes, int *restrict policy) {
    (void)attributes;
    *policy = SCHED_OTHER;
    return 0;
}

int pthread_attr_setschedpolicy(pthread_attr_t *attributes, int policy) {
    (void)attributes;
    return policy == SCHED_OTHER ? 0 : ENOTSUP;
}

static char name[16] = "replicode";

int pthread_setname_np(pthread_t thread, const char *new_name) {
    (void)thread;
    if (strlen(new_name) >= sizeof name)
        return ERANGE;
    strcpy(name, new_name);
    return 0;
}

int pthread_getname_np(pthread_t thread, char *out, size_t room) {
    (void)thread;
    if (strlen(name) >= room)
        return ERANGE;
    strcpy(out, name);
    return 0;
}

int pthread_getcpuclockid(pthread_t thread, clockid_t *clock) {
    (void)thread;
    *clock = CLOCK_THREAD_CPUTIME_ID;
    return 0;
}

/* There is no fork to run these around. */
int pthread_atfork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    (void)before, (void)in_parent, (void)in_child;
    return 0;
}

/* The last thread's end is the program's. */
void pthread_exit(void *result) {
    (void)result;
    exit(0);
}
