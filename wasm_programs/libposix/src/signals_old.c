/* The older calls on signals, in terms of the newer ones, and those that have nothing to do here. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "internal.h"

static int change(int how, int signal) {
    sigset_t set;
    sigemptyset(&set);
    return sigaddset(&set, signal) < 0 ? -1 : sigprocmask(how, &set, NULL);
}

int sighold(int signal) { return change(SIG_BLOCK, signal); }

int sigrelse(int signal) { return change(SIG_UNBLOCK, signal); }

int sigignore(int number) { return signal(number, SIG_IGN) == SIG_ERR ? -1 : 0; }

int sigpause(int signal) {
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    return sigdelset(&mask, signal) < 0 ? -1 : sigsuspend(&mask);
}

void (*sigset(int number, void (*handler)(int)))(int) {
    sigset_t mask;
    struct sigaction action = {0}, old;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    int held = sigismember(&mask, number);
    action.sa_handler = handler;
    if (held < 0 || sigaction(number, handler == SIG_HOLD ? NULL : &action, &old) < 0)
        return SIG_ERR;
    change(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, number);
    return held ? SIG_HOLD : old.sa_handler;
}

/* No call is ever interrupted. */
int siginterrupt(int signal, int flag) {
    (void)flag;
    return signal < 1 || signal >= _NSIG ? fail(EINVAL) : 0;
}

/* Handlers run on the stack that there is. */
int sigaltstack(const stack_t *restrict stack, stack_t *restrict old) {
    static stack_t current = {.ss_flags = SS_DISABLE};
    if (stack != NULL && !(stack->ss_flags & SS_DISABLE) && stack->ss_size < MINSIGSTKSZ)
        return fail(ENOMEM);
    if (old != NULL)
        *old = current;
    if (stack != NULL)
        current = *stack;
    return 0;
}

void psiginfo(const siginfo_t *info, const char *text) { psignal(info->si_signo, text); }

/* Signals at a later time would have to interrupt: there are none. */
unsigned alarm(unsigned seconds) {
    (void)seconds;
    return 0;
}

unsigned ualarm(unsigned value, unsigned interval) {
    (void)value, (void)interval;
    return 0;
}

int setitimer(int which, const struct itimerval *restrict value, struct itimerval *restrict old) {
    if (which < ITIMER_REAL || which > ITIMER_PROF)
        return fail(EINVAL);
    /* To stop a timer that does not run is no lie. */
    if (value->it_value.tv_sec == 0 && value->it_value.tv_usec == 0) {
        if (old != NULL)
            *old = (struct itimerval){0};
        return 0;
    }
    return fail(ENOSYS);
}

int getitimer(int which, struct itimerval *value) {
    if (which < ITIMER_REAL || which > ITIMER_PROF)
        return fail(EINVAL);
    *value = (struct itimerval){0};
    return 0;
}
