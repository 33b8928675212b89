/* A hole reads as zeros and takes the size. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char b[4] = "....";
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    SHOW(pwrite(fd, "end", 3, 100000));
    fstat(fd, &st);
    VAL(st.st_size);
    SHOW(pread(fd, b, 4, 50000));
    VAL(b[0] == 0 && b[3] == 0);
    SHOW(pread(fd, b, 4, 100000));
    SHOW(posix_fallocate(fd, 0, 200000));
    fstat(fd, &st);
    VAL(st.st_size);
    return 0;
}
