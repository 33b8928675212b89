// Makes the same calls many times: calls dup|pipe|event|epoll N. It is timed from outside, as time is logical inside a cell.
//
//   dup     dup2 onto the same number
//   pipe    a piece of 64 KiB written into a pipe and read out of it
//   event   a read and a write of one eventfd out of 1,000
//   epoll   the same, and an epoll_wait that watches all of them and finds that one
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WATCHED = 1000, PIECE = 65536 };

static void must(int fine, const char *what) {
    if (fine) return;
    perror(what);
    exit(1);
}

static void dups(long n) {
    int from = dup(1), to = dup(1);
    must(from >= 0 && to >= 0, "dup");
    for (long i = 0; i < n; i++) must(dup2(from, to) == to, "dup2");
}

static void pipes(long n) {
    static char piece[PIECE];
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    for (long i = 0; i < n; i++) {
        piece[0] = (char)i;
        must(write(ends[1], piece, PIECE) == PIECE, "write");
        for (ssize_t got, all = 0; all < PIECE; all += got) {
            got = read(ends[0], piece, PIECE);
            must(got > 0, "read");
        }
    }
}

static void events(long n, int waiting) {
    int watched[WATCHED], set = epoll_create1(0);
    must(set >= 0, "epoll_create1");
    for (int i = 0; i < WATCHED; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        watched[i] = eventfd(i == WATCHED / 2, EFD_NONBLOCK);
        must(watched[i] >= 0, "eventfd");
        must(epoll_ctl(set, EPOLL_CTL_ADD, watched[i], &event) == 0, "epoll_ctl");
    }
    for (long i = 0; i < n; i++) {
        struct epoll_event ready[64];
        uint64_t count;
        if (waiting) must(epoll_wait(set, ready, 64, 0) == 1 && ready[0].data.u32 == WATCHED / 2, "epoll_wait");
        must(read(watched[WATCHED / 2], &count, sizeof count) == sizeof count, "read");
        must(write(watched[WATCHED / 2], &count, sizeof count) == sizeof count, "write");
    }
}

int main(int argc, char **argv) {
    long n = argc == 3 ? atol(argv[2]) : 0;
    struct rlimit all;
    must(getrlimit(RLIMIT_NOFILE, &all) == 0, "getrlimit");
    all.rlim_cur = all.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &all) == 0, "setrlimit");
    if (n > 0 && !strcmp(argv[1], "dup")) dups(n);
    else if (n > 0 && !strcmp(argv[1], "pipe")) pipes(n);
    else if (n > 0 && !strcmp(argv[1], "event")) events(n, 0);
    else if (n > 0 && !strcmp(argv[1], "epoll")) events(n, 1);
    else return fprintf(stderr, "usage: calls dup|pipe|event|epoll N\n"), 2;
    return 0;
}
