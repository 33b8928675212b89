/* One read and one write move as much as is asked for. */
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    size_t size = 5 << 20;
    char *b = malloc(size);
    memset(b, 'x', size);
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    SHOW(write(fd, b, size));
    SHOW(lseek(fd, 0, SEEK_SET));
    memset(b, 0, size);
    SHOW(read(fd, b, size));
    VAL(b[0] == 'x' && b[size - 1] == 'x');
    SHOW(pread(fd, b, size, 1));
    SHOW(read(fd, b, size));
    return 0;
}
