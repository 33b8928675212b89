/* lockf locks from the position on. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644), r = open("f", O_RDONLY);
    SHOW(lockf(fd, F_LOCK, 10));
    SHOW(lockf(fd, F_TEST, 10));
    SHOW(lockf(fd, F_TLOCK, 0));
    SHOW(lockf(fd, F_ULOCK, 0));
    SHOW(lockf(r, F_TLOCK, 0));
    SHOW(lockf(fd, 99, 0));
    lseek(fd, 5, SEEK_SET);
    SHOW(lockf(fd, F_LOCK, -5));
    SHOW(lockf(fd, F_LOCK, -6));
    return 0;
}
