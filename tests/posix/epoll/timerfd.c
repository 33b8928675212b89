/* timerfd: armed, expired, periodic, disarmed. */
#include "show.h"
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    uint64_t n = 0;
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec its = {.it_value = {0, 20000000}}, old;
    SHOW(read(t, &n, 8));
    SHOW(timerfd_settime(t, 0, &its, &old));
    VAL(old.it_value.tv_sec), VAL(old.it_value.tv_nsec);
    SHOW(timerfd_gettime(t, &old));
    VAL(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 20000000);
    struct pollfd p = {.fd = t, .events = POLLIN};
    SHOW(poll(&p, 1, 1000));
    SHOW(read(t, &n, 8));
    VAL(n);
    SHOW(read(t, &n, 8));
    its = (struct itimerspec){.it_value = {0, 5000000}, .it_interval = {0, 5000000}};
    timerfd_settime(t, 0, &its, NULL);
    poll(NULL, 0, 50);
    SHOW(read(t, &n, 8));
    VAL(n >= 9);
    its = (struct itimerspec){0};
    SHOW(timerfd_settime(t, 0, &its, NULL));
    SHOW(poll(&p, 1, 20));
    its = (struct itimerspec){.it_value = {1, 0}};
    SHOW(timerfd_settime(t, TFD_TIMER_ABSTIME, &its, NULL));
    its = (struct itimerspec){.it_value = {0, 2000000000}};
    SHOW(timerfd_settime(t, 0, &its, NULL));
    SHOW(timerfd_settime(0, 0, &its, NULL));
    SHOW(timerfd_create(99, 0));
    SHOW(read(t, &n, 4));
    return 0;
}
