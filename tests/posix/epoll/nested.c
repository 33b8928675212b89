/* An epoll in an epoll, and in poll. */
#include "show.h"
#include <sys/epoll.h>
#include <unistd.h>

int main(void) {
    int p[2], inner = epoll_create1(0), outer = epoll_create1(0);
    char b[4];
    pipe(p);
    struct epoll_event e = {.events = EPOLLIN}, out[4];
    SHOW(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &e));
    SHOW(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e));
    SHOW(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &e));
    struct pollfd f = {.fd = outer, .events = POLLIN};
    SHOW(poll(&f, 1, 0));
    write(p[1], "x", 1);
    SHOW(epoll_wait(outer, out, 4, 0));
    SHOW(poll(&f, 1, 0));
    BITS(f.revents);
    read(p[0], b, 4);
    SHOW(epoll_wait(outer, out, 4, 0));
    return 0;
}
