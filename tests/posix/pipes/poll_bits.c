/* What poll tells of both ends in every state. */
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static short ask(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    poll(&p, 1, 0);
    return p.revents;
}

int main(void) {
    int p[2];
    char *b = calloc(1, 1 << 20);
    pipe2(p, O_NONBLOCK);
    BITS(ask(p[0], POLLIN | POLLOUT));
    BITS(ask(p[1], POLLIN | POLLOUT));
    write(p[1], b, 1 << 20);
    BITS(ask(p[0], POLLIN));
    BITS(ask(p[1], POLLOUT));
    read(p[0], b, 1 << 20);
    write(p[1], "x", 1);
    int r = dup(p[0]);
    close(p[0]);
    BITS(ask(p[1], POLLOUT));
    int w = dup(p[1]);
    close(p[1]);
    BITS(ask(r, POLLIN));
    close(w);
    BITS(ask(r, POLLIN));
    read(r, b, 10);
    BITS(ask(r, POLLIN));
    pipe(p);
    close(p[0]);
    BITS(ask(p[1], POLLOUT));
    BITS(ask(p[1], 0));
    return 0;
}
