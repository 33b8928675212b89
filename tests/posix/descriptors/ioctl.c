/* FIONREAD and FIONBIO. */
#include "show.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void) {
    int p[2], n = -1, on = 1;
    char b[4];
    pipe(p);
    SHOW(ioctl(p[0], FIONREAD, &n));
    VAL(n);
    write(p[1], "abc", 3);
    SHOW(ioctl(p[0], FIONREAD, &n));
    VAL(n);
    SHOW(ioctl(p[0], FIONBIO, &on));
    VAL((fcntl(p[0], F_GETFL) & O_NONBLOCK) != 0);
    SHOW(read(p[0], b, 4));
    SHOW(read(p[0], b, 4));
    SHOW(ioctl(-1, FIONREAD, &n));
    return 0;
}
