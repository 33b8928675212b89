/* Sets of signals: 64 bits. */
#include <signal.h>

#include "internal.h"

static unsigned long long bit(int signal) { return 1ULL << (signal - 1); }

static int known(int signal) { return signal >= 1 && signal < _NSIG ? 0 : fail(EINVAL); }

int sigemptyset(sigset_t *set) {
    set->__bits = 0;
    return 0;
}

int sigfillset(sigset_t *set) {
    set->__bits = ~0ULL;
    return 0;
}

int sigaddset(sigset_t *set, int signal) {
    if (known(signal) < 0)
        return -1;
    set->__bits |= bit(signal);
    return 0;
}

int sigdelset(sigset_t *set, int signal) {
    if (known(signal) < 0)
        return -1;
    set->__bits &= ~bit(signal);
    return 0;
}

int sigismember(const sigset_t *set, int signal) {
    return known(signal) < 0 ? -1 : (set->__bits & bit(signal)) != 0;
}

int sigisemptyset(const sigset_t *set) { return set->__bits == 0; }

int sigorset(sigset_t *to, const sigset_t *a, const sigset_t *b) {
    to->__bits = a->__bits | b->__bits;
    return 0;
}

int sigandset(sigset_t *to, const sigset_t *a, const sigset_t *b) {
    to->__bits = a->__bits & b->__bits;
    return 0;
}

int __libc_current_sigrtmin(void) { return 35; }

int __libc_current_sigrtmax(void) { return 64; }
