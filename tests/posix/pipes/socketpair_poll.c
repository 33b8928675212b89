/* Readiness of a socket pair, with RDHUP. */
#include "show.h"
#include <sys/socket.h>
#include <unistd.h>

static short ask(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    poll(&p, 1, 0);
    return p.revents;
}

int main(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
    BITS(ask(s[0], POLLIN | POLLOUT));
    write(s[1], "x", 1);
    BITS(ask(s[0], POLLIN | POLLOUT));
    shutdown(s[1], SHUT_WR);
    BITS(ask(s[0], POLLIN | POLLOUT | POLLRDHUP));
    close(s[1]);
    BITS(ask(s[0], POLLIN | POLLOUT | POLLRDHUP));
    return 0;
}
