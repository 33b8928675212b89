/* Reading what is open for writing only, and the other way round. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[8];
    int fd = open("f", O_CREAT | O_WRONLY, 0644);
    SHOW(read(fd, b, 8));
    SHOW(pread(fd, b, 8, 0));
    close(fd);
    fd = open("f", O_RDONLY);
    SHOW(write(fd, b, 8));
    SHOW(pwrite(fd, b, 8, 0));
    SHOW(ftruncate(fd, 3));
    close(fd);
    SHOW(read(fd, b, 8));
    SHOW(write(fd, b, 8));
    SHOW(close(fd));
    SHOW(read(-1, b, 8));
    return 0;
}
