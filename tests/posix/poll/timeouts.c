/* poll, ppoll, select and epoll_wait wait as long as they are told, and not shorter. */
#include "show.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static struct timespec start;

static void took(const char *what, int least) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
    printf("%s waited long enough: %d\n", what, ms >= least && ms < 5000);
    clock_gettime(CLOCK_MONOTONIC, &start);
}

int main(void) {
    struct epoll_event e;
    int ep = epoll_create1(0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    SHOW(poll(NULL, 0, 30));
    took("poll", 30);
    SHOW(ppoll(NULL, 0, &(struct timespec){0, 30000000}, NULL));
    took("ppoll", 30);
    SHOW(select(0, NULL, NULL, NULL, &(struct timeval){0, 30000}));
    took("select", 30);
    SHOW(epoll_wait(ep, &e, 1, 30));
    took("epoll_wait", 30);
    SHOW(ppoll(NULL, 0, &(struct timespec){0, 2000000000}, NULL));
    SHOW(ppoll(NULL, 0, &(struct timespec){-1, 0}, NULL));
    return 0;
}
