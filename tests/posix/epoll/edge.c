/* Edge-triggered: told once for each arrival. */
#include "show.h"
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int p[2], ep = epoll_create1(0);
    char b[4];
    pipe(p);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.fd = 7}, out[4];
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    write(p[1], "a", 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    SHOW(epoll_wait(ep, out, 4, 0));
    write(p[1], "b", 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    read(p[0], b, 1);
    SHOW(epoll_wait(ep, out, 4, 0));
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
    SHOW(epoll_wait(ep, out, 4, 0));
    return 0;
}
