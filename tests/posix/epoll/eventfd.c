/* eventfd: a counter, a semaphore, and its limits. */
#include "show.h"
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static short ask(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    poll(&p, 1, 0);
    return p.revents;
}

int main(void) {
    uint64_t v = 0;
    int e = eventfd(3, EFD_NONBLOCK);
    BITS(ask(e));
    SHOW(eventfd_write(e, 4));
    SHOW(eventfd_read(e, &v));
    VAL(v);
    SHOW(eventfd_read(e, &v));
    BITS(ask(e));
    SHOW(read(e, &v, 4));
    SHOW(write(e, &v, 4));
    v = UINT64_MAX;
    SHOW(write(e, &v, 8));
    v = UINT64_MAX - 1;
    SHOW(write(e, &v, 8));
    v = 1;
    SHOW(write(e, &v, 8));
    BITS(ask(e));
    int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    SHOW(eventfd_read(s, &v));
    VAL(v);
    SHOW(eventfd_read(s, &v));
    SHOW(eventfd_read(s, &v));
    SHOW(eventfd(0, 12345));
    return 0;
}
