/* Nothing here is a terminal. */
#include "show.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int main(void) {
    struct termios t;
    struct winsize w;
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    errno = 0;
    VAL(isatty(fd));
    printf("%s\n", error_name(errno));
    VAL(isatty(-1));
    printf("%s\n", error_name(errno));
    SHOW(tcgetattr(fd, &t));
    SHOW(tcsetattr(fd, TCSANOW, &t));
    SHOW(tcgetattr(-1, &t));
    SHOW(ioctl(fd, TIOCGWINSZ, &w));
    PTR(ttyname(fd));
    SHOW(tcgetpgrp(fd));
    return 0;
}
