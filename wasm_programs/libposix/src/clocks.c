/* Clocks by number. wasi-libc's clock ids are pointers to two constants; both kinds are understood, since libc++ and
 * other objects built without our headers pass those. All clocks that measure go with the replicated time; the
 * processor's time is the time since the start. */
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

#include "internal.h"

extern const struct __clockid _CLOCK_MONOTONIC, _CLOCK_REALTIME;

enum { NS = 1000000000 };

/* preview1's number of a clock, or -1. */
static int number(clockid_t clock) {
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: return __WASI_CLOCKID_REALTIME;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: return __WASI_CLOCKID_MONOTONIC;
    case CLOCK_PROCESS_CPUTIME_ID: return __WASI_CLOCKID_PROCESS_CPUTIME_ID;
    case CLOCK_THREAD_CPUTIME_ID: return __WASI_CLOCKID_THREAD_CPUTIME_ID;
    }
    if (clock == (clockid_t)(uintptr_t)&_CLOCK_REALTIME)
        return __WASI_CLOCKID_REALTIME;
    if (clock == (clockid_t)(uintptr_t)&_CLOCK_MONOTONIC)
        return __WASI_CLOCKID_MONOTONIC;
    return -1;
}

static struct timespec spec(__wasi_timestamp_t ns) { return (struct timespec){.tv_sec = ns / NS, .tv_nsec = ns % NS}; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    __wasi_timestamp_t ns;
    int id = number(clock);
    int error = id < 0 ? EINVAL : __wasi_clock_time_get(id, 1, &ns);
    if (error != 0)
        return fail(error);
    *now = spec(ns);
    return 0;
}
int __clock_gettime(clockid_t, struct timespec *) __attribute__((alias("clock_gettime")));

int clock_getres(clockid_t clock, struct timespec *resolution) {
    __wasi_timestamp_t ns;
    int id = number(clock);
    int error = id < 0 ? EINVAL : __wasi_clock_res_get(id, &ns);
    if (error != 0)
        return fail(error);
    if (resolution != NULL)
        *resolution = spec(ns);
    return 0;
}

int clock_settime(clockid_t clock, const struct timespec *time) {
    (void)time;
    return fail(number(clock) < 0 ? EINVAL : EPERM);
}

int clock_getcpuclockid(pid_t pid, clockid_t *clock) {
    if (pid != 0 && pid != getpid())
        return ESRCH;
    *clock = CLOCK_PROCESS_CPUTIME_ID;
    return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    (void)left; /* nothing interrupts a sleep */
    int id = number(clock);
    if (id < 0 || id > 1 || (flags & ~TIMER_ABSTIME))
        return id > 1 ? ENOTSUP : EINVAL; /* one cannot wait for processor time */
    if (time->tv_nsec < 0 || time->tv_nsec >= NS || time->tv_sec < 0)
        return EINVAL;
    __wasi_subscription_t sleep = {.u.tag = __WASI_EVENTTYPE_CLOCK, .u.u.clock.id = id, .u.u.clock.flags = flags};
    sleep.u.u.clock.timeout = time->tv_sec > INT64_MAX / NS - 1 ? INT64_MAX : time->tv_sec * (uint64_t)NS + time->tv_nsec;
    __wasi_event_t event;
    size_t n;
    int error = __wasi_poll_oneoff(&sleep, &event, 1, &n);
    return error != 0 ? error : event.error;
}
int __clock_nanosleep(clockid_t, int, const struct timespec *, struct timespec *)
    __attribute__((alias("clock_nanosleep")));

int nanosleep(const struct timespec *time, struct timespec *left) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
    return error == 0 ? 0 : fail(error);
}

unsigned sleep(unsigned seconds) {
    struct timespec time = {.tv_sec = seconds};
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) == 0 ? 0 : seconds;
}

int usleep(unsigned us) {
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return nanosleep(&time, NULL);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    if (now != NULL) {
        __wasi_timestamp_t ns = 0;
        (void)__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1000, &ns);
        *now = (struct timeval){.tv_sec = ns / NS, .tv_usec = ns % NS / 1000};
    }
    if (zone != NULL)
        *(struct timezone *)zone = (struct timezone){0};
    return 0;
}

int settimeofday(const struct timeval *time, const struct timezone *zone) {
    (void)time, (void)zone;
    return fail(EPERM);
}

int adjtime(const struct timeval *by, struct timeval *old) {
    (void)by, (void)old;
    return fail(EPERM);
}

/* Processor time: what the kernel says, in nanoseconds. */
static uint64_t used(void) {
    __wasi_timestamp_t ns = 0;
    (void)__wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 1, &ns);
    return ns;
}

clock_t clock(void) { return used() / 1000; }
clock_t __clock(void) __attribute__((alias("clock")));

clock_t times(struct tms *times) {
    enum { TICK = NS / 100 };
    __wasi_timestamp_t now = 0;
    (void)__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &now);
    if (times != NULL)
        *times = (struct tms){.tms_utime = used() / TICK};
    return now / TICK;
}

int getrusage(int who, struct rusage *usage) {
    if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
        return fail(EINVAL);
    *usage = (struct rusage){0};
    if (who != RUSAGE_CHILDREN) {
        uint64_t us = used() / 1000;
        usage->ru_utime = (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
        usage->ru_maxrss = __builtin_wasm_memory_size(0) * 64; /* KiB */
    }
    return 0;
}
