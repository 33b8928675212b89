/* wasi-libc's <sys/ioctl.h> plus the window size that nobody has here (ENOTTY). */
#ifndef LIBPOSIX_SYS_IOCTL_H
#define LIBPOSIX_SYS_IOCTL_H

#include_next <sys/ioctl.h>

#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define TIOCNOTTY 0x5422
#define TIOCSCTTY 0x540E
#define TIOCGPGRP 0x540F
#define TIOCSPGRP 0x5410
#define FIONCLEX 0x5450
#define FIOCLEX 0x5451
#define SIOCGIFADDR 0x8915
#define SIOCATMARK 0x8905
#define TIOCOUTQ 0x5411
#define SIOCOUTQ TIOCOUTQ
#define TIOCINQ FIONREAD
#define SIOCINQ FIONREAD

#define __NEED_struct_winsize
#include <bits/alltypes.h>

#endif
