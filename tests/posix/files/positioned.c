/* pread and pwrite leave the position; on an appending file pwrite appends. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[16] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "abcdef", 6);
    SHOW(pwrite(fd, "XY", 2, 1));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pread(fd, b, 6, 0));
    STR(b);
    SHOW(pread(fd, b, 4, 100));
    SHOW(pread(fd, b, 4, -1));
    SHOW(pwrite(fd, b, 4, -1));
    int append = open("f", O_RDWR | O_APPEND);
    SHOW(pwrite(append, "!", 1, 0));
    SHOW(pread(fd, b, 16, 0));
    STR(b);
    return 0;
}
