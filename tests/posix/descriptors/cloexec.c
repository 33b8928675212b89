/* Close-on-exec belongs to the descriptor, not to what it shares. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    SHOW(fcntl(fd, F_GETFD));
    int d = dup(fd);
    SHOW(fcntl(d, F_GETFD));
    SHOW(fcntl(d, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(d, F_GETFD));
    SHOW(fcntl(fd, F_SETFD, 0));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(d, F_GETFD));
    SHOW(fcntl(-1, F_GETFD));
    SHOW(fcntl(1, F_GETFD));
    return 0;
}
