/* sigwait, sigwaitinfo, sigtimedwait and sigsuspend take what is pending. */
#include "show.h"
#include <signal.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count;

static void handler(int signal) { (void)signal, count++; }

int main(void) {
    sigset_t set, none;
    siginfo_t info;
    int got = 0;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    SHOW(sigwait(&set, &got));
    VAL(got == SIGUSR1);
    union sigval v = {.sival_int = 42};
    SHOW(sigqueue(getpid(), SIGUSR2, v));
    VAL(sigwaitinfo(&set, &info) == SIGUSR2);
    VAL(info.si_value.sival_int), VAL(info.si_code == SI_QUEUE);
    SHOW(sigtimedwait(&set, &info, &(struct timespec){0, 10000000}));
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    SHOW(sigsuspend(&none));
    VAL(count);
    raise(SIGUSR1);
    VAL(count);
    return 0;
}
