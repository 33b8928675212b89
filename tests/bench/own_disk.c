/*
 * Gives each process a disk of its own, for measurements: preloaded, it lets every sync of a file take a fixed time and
 * do nothing else. With data on a file system in memory that is what several machines have, and one machine with one
 * disk has not: syncs that do not wait for those of the neighbours.
 *
 *     OWN_DISK_SYNC_NANOS=80000 LD_PRELOAD=own_disk.so replicode up …
 *
 * The time is slept, as a thread sleeps that waits for a disk; waking up comes on top. Where a request to the disk also
 * takes processor time, as it does under some hypervisors, that is spared too. Only for data that may be lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static int wait_for_disk(void) {
    static __thread int exact;
    if (!exact) {
        /* Sleeps are otherwise rounded up by 50 microseconds. */
        prctl(PR_SET_TIMERSLACK, 1UL);
        exact = 1;
    }
    const char *nanos = getenv("OWN_DISK_SYNC_NANOS");
    long time = nanos ? atol(nanos) : 0;
    struct timespec left = {.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    return 0;
}

int fdatasync(int fd) {
    (void)fd;
    return wait_for_disk();
}

int fsync(int fd) {
    (void)fd;
    return wait_for_disk();
}
