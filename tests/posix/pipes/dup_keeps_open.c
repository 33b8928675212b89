/* The end comes when the last writer is closed. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int p[2];
    char b[4];
    pipe2(p, O_NONBLOCK);
    int d = dup(p[1]);
    SHOW(close(p[1]));
    SHOW(read(p[0], b, 1));
    SHOW(write(d, "x", 1));
    SHOW(close(d));
    SHOW(read(p[0], b, 4));
    SHOW(read(p[0], b, 4));
    return 0;
}
