/* Each end goes one way; a pipe has no position. */
#include "show.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int p[2];
    char b[4];
    pipe(p);
    SHOW(read(p[1], b, 1));
    SHOW(write(p[0], b, 1));
    SHOW(lseek(p[0], 0, SEEK_CUR));
    SHOW(lseek(p[0], 1, SEEK_SET));
    SHOW(pread(p[0], b, 1, 0));
    SHOW(pwrite(p[1], b, 1, 0));
    SHOW(ftruncate(p[1], 0));
    SHOW(send(p[1], b, 1, 0));
    VAL((fcntl(p[0], F_GETFL) & O_ACCMODE) == O_RDONLY);
    VAL((fcntl(p[1], F_GETFL) & O_ACCMODE) == O_WRONLY);
    return 0;
}
