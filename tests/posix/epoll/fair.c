/* More ready than asked for: everybody's turn comes. */
#include "show.h"
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int ep = epoll_create1(0), seen[6] = {0};
    struct epoll_event out[2];
    for (int i = 0; i < 6; i++) {
        int p[2];
        pipe(p);
        write(p[1], "x", 1);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    }
    for (int round = 0; round < 3; round++) {
        SHOW(epoll_wait(ep, out, 2, 0));
        for (int i = 0; i < 2; i++)
            seen[out[i].data.u32]++;
    }
    for (int i = 0; i < 6; i++)
        VAL(seen[i]);
    return 0;
}
