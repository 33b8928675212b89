/* The time zone is UTC; there are no tables of others. */
#include <time.h>

#include "internal.h"

char *tzname[2] = {"UTC", "UTC"};
long timezone;
int daylight;

void tzset(void) {}

/* Timers that signal: refused, since signals do not interrupt. timerfd is there. */
int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer) {
    (void)clock, (void)event, (void)timer;
    return fail(ENOSYS);
}

int timer_delete(timer_t timer) {
    (void)timer;
    return fail(EINVAL);
}

int timer_settime(timer_t timer, int flags, const struct itimerspec *restrict value, struct itimerspec *restrict old) {
    (void)timer, (void)flags, (void)value, (void)old;
    return fail(EINVAL);
}

int timer_gettime(timer_t timer, struct itimerspec *value) {
    (void)timer, (void)value;
    return fail(EINVAL);
}

int timer_getoverrun(timer_t timer) {
    (void)timer;
    return fail(EINVAL);
}
