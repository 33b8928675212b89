/* lseek: the three places, beyond the end, before the start, and what is no place. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[16] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "0123456789", 10);
    SHOW(lseek(fd, 4, SEEK_SET));
    SHOW(read(fd, b, 2));
    STR(b);
    SHOW(lseek(fd, -1, SEEK_CUR));
    SHOW(lseek(fd, -2, SEEK_END));
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(lseek(fd, 0, 99));
    SHOW(lseek(fd, 20, SEEK_SET));
    SHOW(read(fd, b, 1));
    SHOW(write(fd, "x", 1));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(pread(fd, b, 4, 9));
    VAL(b[1] == 0 && b[2] == 0);
    return 0;
}
