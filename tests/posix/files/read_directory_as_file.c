/* read, write, lseek and ftruncate of a directory's descriptor. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    char b[8];
    mkdir("d", 0755);
    int fd = open("d", O_RDONLY);
    SHOW(read(fd, b, 8));
    SHOW(pread(fd, b, 8, 0));
    SHOW(write(fd, b, 8));
    SHOW(ftruncate(fd, 0));
    SHOW(fsync(fd));
    SHOW(truncate("d", 0));
    return 0;
}
