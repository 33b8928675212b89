/* poll: nothing to wait for, negative descriptors, closed ones, entries that ask for nothing. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int p[2];
    pipe(p);
    SHOW(poll(NULL, 0, 0));
    SHOW(poll(NULL, 0, 10));
    struct pollfd fds[4] = {{.fd = -1, .events = POLLIN, .revents = 99}, {.fd = 999, .events = POLLIN}, {.fd = p[1], .events = 0}, {.fd = p[1], .events = POLLOUT}};
    SHOW(poll(fds, 4, 0));
    for (int i = 0; i < 4; i++)
        BITS(fds[i].revents);
    close(p[0]);
    SHOW(poll(&fds[2], 1, 0));
    BITS(fds[2].revents);
    SHOW(poll(fds, 1, 10));
    return 0;
}
