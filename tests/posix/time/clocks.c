/* Clocks by number: kept in an int, switched over, going on. */
#include "show.h"
#include <time.h>
#include <unistd.h>

static const char *name(int clock) {
    switch (clock) {
    case CLOCK_REALTIME: return "realtime";
    case CLOCK_MONOTONIC: return "monotonic";
    default: return "another";
    }
}

int main(void) {
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};
    struct timespec a, b;
    for (int i = 0; i < 7; i++) {
        printf("%d %s\n", i, name(clocks[i]));
        SHOW(clock_gettime(clocks[i], &a));
        SHOW(clock_getres(clocks[i], &b));
        VAL(b.tv_sec == 0 && b.tv_nsec > 0);
    }
    SHOW(clock_gettime(99, &a));
    SHOW(clock_getres(99, &a));
    SHOW(clock_getres(CLOCK_MONOTONIC, NULL));
    clock_gettime(CLOCK_MONOTONIC, &a);
    usleep(20000);
    clock_gettime(CLOCK_MONOTONIC, &b);
    VAL((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec >= 20000000);
    return 0;
}
