/* Connections that nobody accepted are reset when the listener goes. */
#include "show.h"
#include "loopback.h"
#include <unistd.h>

int main(void) {
    char b[4];
    int l, c;
    loopback(&l, &c);
    usleep(50000);
    close(l);
    usleep(50000);
    SHOW(recv(c, b, 4, 0));
    struct pollfd p = {.fd = c, .events = POLLIN | POLLOUT};
    SHOW(poll(&p, 1, 100));
    BITS(p.revents);
    SHOW(recv(c, b, 4, 0));
    return 0;
}
