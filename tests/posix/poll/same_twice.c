/* The same descriptor in two entries is counted twice. */
#include "show.h"
#include <unistd.h>

int main(void) {
    int p[2];
    pipe(p);
    write(p[1], "x", 1);
    struct pollfd fds[3] = {{.fd = p[0], .events = POLLIN}, {.fd = p[0], .events = POLLIN}, {.fd = p[1], .events = POLLIN}};
    SHOW(poll(fds, 3, 100));
    for (int i = 0; i < 3; i++)
        BITS(fds[i].revents);
    return 0;
}
