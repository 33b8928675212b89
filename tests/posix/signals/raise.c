/* A handler runs inside raise; SIG_IGN and SIG_DFL of what is ignored do nothing. */
#include "show.h"
#include <signal.h>

static volatile sig_atomic_t count, last;

static void handler(int signal) { count++, last = signal; }

int main(void) {
    VAL(signal(SIGUSR1, handler) == SIG_DFL);
    SHOW(raise(SIGUSR1));
    VAL(count), VAL(last == SIGUSR1);
    SHOW(raise(SIGUSR1));
    VAL(count);
    VAL(signal(SIGUSR1, SIG_IGN) == handler);
    SHOW(raise(SIGUSR1));
    VAL(count);
    VAL(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    SHOW(raise(SIGCHLD));
    SHOW(raise(SIGWINCH));
    SHOW(raise(0));
    SHOW(raise(999));
    VAL(signal(999, handler) == SIG_ERR);
    VAL(signal(SIGKILL, handler) == SIG_ERR);
    return 0;
}
