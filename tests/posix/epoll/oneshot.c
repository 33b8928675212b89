/* One-shot: told once, until it is armed again. */
#include "show.h"
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int p[2], ep = epoll_create1(0);
    pipe(p);
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT}, out[4];
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    write(p[1], "a", 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    SHOW(epoll_wait(ep, out, 4, 0));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
    SHOW(epoll_wait(ep, out, 4, 0));
    return 0;
}
