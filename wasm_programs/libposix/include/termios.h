/* Terminals: no descriptor here is one, so each call answers ENOTTY. */
#ifndef LIBPOSIX_TERMIOS_H
#define LIBPOSIX_TERMIOS_H

#include <sys/ioctl.h>

#include_next <termios.h>

#endif
