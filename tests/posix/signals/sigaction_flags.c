/* SA_RESETHAND, SA_NODEFER, sa_mask and SA_SIGINFO. */
#include "show.h"
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t depth, most, inner;

static void nested(int signal) {
    if (++depth > most)
        most = depth;
    if (depth < 3)
        raise(signal);
    depth--;
}

static void with_mask(int signal) {
    (void)signal;
    raise(SIGUSR2);
    inner = depth;
}

static void other(int signal) { (void)signal, depth = 7; }

static void info(int signal, siginfo_t *i, void *context) {
    printf("siginfo %d %d %d\n", i->si_signo == signal, i->si_pid == getpid(), context != NULL);
}

int main(void) {
    struct sigaction a = {.sa_handler = nested, .sa_flags = SA_NODEFER}, old;
    SHOW(sigaction(SIGUSR1, &a, NULL));
    raise(SIGUSR1);
    VAL(most);
    most = 0;
    a.sa_flags = SA_RESETHAND | SA_NODEFER;
    a.sa_handler = other;
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    VAL(old.sa_handler == SIG_DFL);
    depth = 0;
    a = (struct sigaction){.sa_handler = with_mask};
    sigaddset(&a.sa_mask, SIGUSR2);
    signal(SIGUSR2, other);
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    VAL(inner), VAL(depth);
    a = (struct sigaction){.sa_sigaction = info, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    kill(getpid(), SIGUSR1);
    SHOW(sigaction(SIGKILL, &a, NULL));
    SHOW(sigaction(SIGSTOP, &a, NULL));
    SHOW(sigaction(0, &a, NULL));
    SHOW(sigaction(SIGKILL, NULL, &old));
    return 0;
}
