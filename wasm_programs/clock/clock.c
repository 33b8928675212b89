/* clock: shows the clocks and the random generator as a program sees them.
 *
 *   clock [ROUNDS]     default 3
 *
 * Each round prints both clocks and 16 random bytes, then sleeps 10 ms. Two replicas, or a run and its replay, print the
 * same bytes. It ends with code 1 if a clock goes back or a sleep is too short. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SLEEP_NS = 10 * 1000 * 1000 };

static int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) {
        perror("clock: clock_gettime");
        exit(1);
    }
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void print_resolution(const char *name, clockid_t clock) {
    struct timespec t;
    if (clock_getres(clock, &t) != 0) {
        perror("clock: clock_getres");
        exit(1);
    }
    printf("resolution %s %lld ns\n", name, (long long)t.tv_sec * 1000000000 + t.tv_nsec);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 3;
    int64_t last_real = 0, last_mono = -1;

    print_resolution("realtime", CLOCK_REALTIME);
    print_resolution("monotonic", CLOCK_MONOTONIC);
    for (int round = 0; round < rounds; round++) {
        unsigned char random[16];
        int64_t real = nanoseconds(CLOCK_REALTIME), mono = nanoseconds(CLOCK_MONOTONIC);
        if (getentropy(random, sizeof random) != 0) {
            perror("clock: getentropy");
            return 1;
        }
        printf("round %d realtime %lld.%09lld monotonic %lld.%09lld random ", round, (long long)(real / 1000000000),
               (long long)(real % 1000000000), (long long)(mono / 1000000000), (long long)(mono % 1000000000));
        for (size_t i = 0; i < sizeof random; i++)
            printf("%02x", random[i]);
        putchar('\n');
        fflush(stdout);
        if (real < last_real || mono <= last_mono) {
            printf("clock went back\n");
            return 1;
        }
        last_real = real;
        last_mono = mono;

        const struct timespec pause = {.tv_nsec = SLEEP_NS};
        if (nanosleep(&pause, NULL) != 0) {
            perror("clock: nanosleep");
            return 1;
        }
        if (nanoseconds(CLOCK_MONOTONIC) - mono < SLEEP_NS) {
            printf("slept too short\n");
            return 1;
        }
    }
    printf("clock: done\n");
    return 0;
}
