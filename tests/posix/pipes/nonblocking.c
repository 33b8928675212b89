/* pipe2 with O_NONBLOCK: EAGAIN when empty, and when full. */
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    int p[2];
    char *b = calloc(1, 1 << 20);
    SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(read(p[0], b, 1));
    SHOW(write(p[1], b, 1 << 20));
    SHOW(write(p[1], b, 1));
    SHOW(read(p[0], b, 1 << 20));
    SHOW(read(p[0], b, 1));
    SHOW(pipe2(p, O_APPEND));
    return 0;
}
