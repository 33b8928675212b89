/* Locks of open file descriptions do conflict within a process. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int a = open("f", O_CREAT | O_RDWR, 0644), b = open("f", O_RDWR), c = dup(a);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
    SHOW(fcntl(a, F_OFD_SETLK, &l));
    SHOW(fcntl(c, F_OFD_SETLK, &l));
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    l = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    SHOW(fcntl(b, F_OFD_GETLK, &l));
    VAL(l.l_type == F_WRLCK), VAL(l.l_start), VAL(l.l_len), VAL(l.l_pid);
    l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 12, .l_len = 3};
    SHOW(fcntl(a, F_OFD_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 12, .l_len = 3};
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 12, .l_len = 4};
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    close(a);
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    close(c);
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    return 0;
}
