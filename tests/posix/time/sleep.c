/* Sleeping: how long, until when, and wrong times. */
#include "show.h"
#include <time.h>
#include <unistd.h>

int main(void) {
    struct timespec now, then, left;
    SHOW(nanosleep(&(struct timespec){0, 5000000}, &left));
    SHOW(nanosleep(&(struct timespec){0, 1000000000}, NULL));
    SHOW(nanosleep(&(struct timespec){-1, 0}, NULL));
    ERR(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, -1}, NULL));
    clock_gettime(CLOCK_MONOTONIC, &then);
    then.tv_nsec += 30000000;
    if (then.tv_nsec >= 1000000000)
        then.tv_sec++, then.tv_nsec -= 1000000000;
    ERR(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL));
    clock_gettime(CLOCK_MONOTONIC, &now);
    VAL(now.tv_sec > then.tv_sec || (now.tv_sec == then.tv_sec && now.tv_nsec >= then.tv_nsec));
    ERR(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){0, 1}, NULL));
    ERR(clock_nanosleep(99, 0, &(struct timespec){0, 1}, NULL));
    SHOW(sleep(0));
    SHOW(usleep(0));
    return 0;
}
