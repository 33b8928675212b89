/* A write of up to PIPE_BUF goes in whole or not at all. */
#include "show.h"
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

int main(void) {
    int p[2];
    char b[PIPE_BUF] = {0};
    pipe2(p, O_NONBLOCK);
    int n = 0;
    while (write(p[1], b, 1000) == 1000)
        n++;
    printf("%s\n", error_name(errno));
    VAL(n);
    SHOW(write(p[1], b, 4000));
    SHOW(read(p[0], b, 100));
    SHOW(write(p[1], b, PIPE_BUF));
    return 0;
}
