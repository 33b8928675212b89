/* A closed descriptor leaves the set, unless a duplicate keeps it open. */
#include "show.h"
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int p[2], ep = epoll_create1(0);
    pipe(p);
    struct epoll_event e = {.events = EPOLLIN}, out[4];
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    write(p[1], "x", 1);
    int d = dup(p[0]);
    close(p[0]);
    SHOW(epoll_wait(ep, out, 4, 0));
    close(d);
    SHOW(epoll_wait(ep, out, 4, 0));
    int q[2];
    pipe(q);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &e));
    write(q[1], "x", 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    return 0;
}
