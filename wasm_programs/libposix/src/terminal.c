/* Terminals: no descriptor is one, so all that asks for one fails with ENOTTY (or EBADF). */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "internal.h"

static int refuse(int fd) {
    struct stat stat;
    return fstat(fd, &stat) < 0 ? -1 : fail(ENOTTY);
}

int tcgetattr(int fd, struct termios *settings) {
    (void)settings;
    return refuse(fd);
}

int tcsetattr(int fd, int when, const struct termios *settings) {
    (void)when, (void)settings;
    return refuse(fd);
}

int tcgetwinsize(int fd, struct winsize *size) {
    (void)size;
    return refuse(fd);
}

int tcsetwinsize(int fd, const struct winsize *size) {
    (void)size;
    return refuse(fd);
}

int tcsendbreak(int fd, int duration) {
    (void)duration;
    return refuse(fd);
}

int tcdrain(int fd) { return refuse(fd); }

int tcflush(int fd, int queue) {
    (void)queue;
    return refuse(fd);
}

int tcflow(int fd, int action) {
    (void)action;
    return refuse(fd);
}

pid_t tcgetsid(int fd) { return refuse(fd); }

pid_t tcgetpgrp(int fd) { return refuse(fd); }

int tcsetpgrp(int fd, pid_t group) {
    (void)group;
    return refuse(fd);
}

speed_t cfgetospeed(const struct termios *settings) { return settings->__c_ospeed; }

speed_t cfgetispeed(const struct termios *settings) { return settings->__c_ispeed; }

int cfsetospeed(struct termios *settings, speed_t speed) {
    settings->__c_ospeed = speed;
    return 0;
}

int cfsetispeed(struct termios *settings, speed_t speed) {
    settings->__c_ispeed = speed;
    return 0;
}

int cfsetspeed(struct termios *settings, speed_t speed) {
    settings->__c_ispeed = settings->__c_ospeed = speed;
    return 0;
}

void cfmakeraw(struct termios *settings) {
    settings->c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    settings->c_oflag &= ~OPOST;
    settings->c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings->c_cflag &= ~(CSIZE | PARENB);
    settings->c_cflag |= CS8;
    settings->c_cc[VMIN] = 1;
    settings->c_cc[VTIME] = 0;
}

int ttyname_r(int fd, char *name, size_t room) {
    (void)name, (void)room;
    return refuse(fd) < 0 ? errno : ENOTTY;
}

char *ttyname(int fd) {
    refuse(fd);
    return NULL;
}

char *ctermid(char *name) {
    static char own[L_ctermid];
    return strcpy(name != NULL ? name : own, "/dev/tty");
}

char *getpass(const char *prompt) {
    (void)prompt;
    errno = ENXIO;
    return NULL;
}

int posix_openpt(int flags) {
    (void)flags;
    return fail(ENOSYS);
}

int grantpt(int fd) { return refuse(fd); }

int unlockpt(int fd) { return refuse(fd); }

char *ptsname(int fd) {
    refuse(fd);
    return NULL;
}
