/* dup shares the position; closing one leaves the other. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[8] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "abcdef", 6);
    int d = dup(fd);
    VAL(d == fd + 1);
    SHOW(lseek(d, 2, SEEK_SET));
    SHOW(read(fd, b, 2));
    STR(b);
    SHOW(lseek(d, 0, SEEK_CUR));
    SHOW(close(fd));
    SHOW(read(d, b, 2));
    STR(b);
    SHOW(dup(fd));
    SHOW(dup(-1));
    return 0;
}
