/* Regular files are always ready, both ways. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    mkdir("d", 0755);
    struct pollfd fds[3] = {
        {.fd = open("f", O_CREAT | O_RDWR, 0644), .events = POLLIN | POLLOUT | POLLPRI},
        {.fd = open("f", O_RDONLY), .events = POLLIN | POLLOUT},
        {.fd = open("/dev/null", O_RDWR), .events = POLLIN | POLLOUT},
    };
    SHOW(poll(fds, 3, -1));
    for (int i = 0; i < 3; i++)
        BITS(fds[i].revents);
    return 0;
}
