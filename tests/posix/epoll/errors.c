/* epoll_ctl and epoll_wait: all the ways to be wrong. */
#include "show.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int p[2], ep = epoll_create1(0), file = open("f", O_CREAT | O_RDWR, 0644);
    pipe(p);
    struct epoll_event e = {.events = EPOLLIN}, out[4];
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    SHOW(epoll_ctl(ep, 9, p[0], &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &e));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, file, &e));
    SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
    SHOW(epoll_ctl(999, EPOLL_CTL_ADD, p[1], &e));
    SHOW(epoll_wait(ep, out, 0, 0));
    SHOW(epoll_wait(ep, out, -1, 0));
    SHOW(epoll_wait(p[0], out, 4, 0));
    SHOW(epoll_wait(999, out, 4, 0));
    SHOW(epoll_create(0));
    OK(epoll_create(1));
    SHOW(epoll_create1(12345));
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    return 0;
}
