/* Record locks of one process never conflict with itself, and F_GETLK says so. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644), other = open("f", O_RDWR);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    SHOW(fcntl(fd, F_SETLK, &l));
    SHOW(fcntl(other, F_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1};
    SHOW(fcntl(fd, F_GETLK, &l));
    VAL(l.l_type == F_UNLCK);
    SHOW(fcntl(fd, F_SETLKW, &l));
    l.l_type = 9;
    SHOW(fcntl(fd, F_SETLK, &l));
    l = (struct flock){.l_type = F_RDLCK, .l_whence = 9};
    SHOW(fcntl(fd, F_SETLK, &l));
    l = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = -1};
    SHOW(fcntl(fd, F_SETLK, &l));
    SHOW(fcntl(-1, F_SETLK, &l));
    return 0;
}
