/* Level-triggered: told as long as it lasts. */
#include "show.h"
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int p[2], ep = epoll_create1(EPOLL_CLOEXEC);
    char b[4];
    pipe(p);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL}, out[4];
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    SHOW(epoll_wait(ep, out, 4, 0));
    write(p[1], "xy", 2);
    SHOW(epoll_wait(ep, out, 4, 0));
    VAL(out[0].events == EPOLLIN), VAL(out[0].data.u64 == 0x123456789abcdefULL);
    read(p[0], b, 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    read(p[0], b, 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    close(p[1]);
    SHOW(epoll_wait(ep, out, 4, 0));
    VAL(out[0].events == EPOLLHUP);
    return 0;
}
