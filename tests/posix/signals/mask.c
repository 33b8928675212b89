/* A blocked signal waits, once, and comes when it is unblocked. */
#include "show.h"
#include <signal.h>

static volatile sig_atomic_t count;

static void handler(int signal) { (void)signal, count++; }

int main(void) {
    sigset_t set, old, pending;
    signal(SIGUSR1, handler);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SHOW(sigprocmask(SIG_BLOCK, &set, &old));
    VAL(sigismember(&old, SIGUSR1));
    raise(SIGUSR1);
    raise(SIGUSR1);
    VAL(count);
    sigpending(&pending);
    VAL(sigismember(&pending, SIGUSR1)), VAL(sigismember(&pending, SIGUSR2));
    SHOW(sigprocmask(SIG_UNBLOCK, &set, NULL));
    VAL(count);
    sigpending(&pending);
    VAL(sigismember(&pending, SIGUSR1));
    SHOW(sigprocmask(99, &set, NULL));
    SHOW(sigprocmask(99, NULL, NULL));
    SHOW(sigprocmask(SIG_SETMASK, NULL, &old));
    VAL(sigismember(&old, SIGUSR1));
    return 0;
}
