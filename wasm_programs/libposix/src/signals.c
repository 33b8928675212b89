/* Signals that a program sends to itself: a table of actions, a mask, and what is pending, all in the guest. A handler
 * runs inside the call that raises the signal, or in the one that unblocks it. Nobody else sends signals, and input and
 * output raise none (SIGPIPE: a broken pipe is EPIPE). */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static struct sigaction actions[_NSIG];
static siginfo_t details[_NSIG]; /* of those that are pending */
static sigset_t blocked, pending;

static unsigned long long bit(int signal) { return 1ULL << (signal - 1); }

static int unblockable(int signal) { return signal == SIGKILL || signal == SIGSTOP; }

void __SIG_IGN(int signal) { (void)signal; }

void __SIG_ERR(int signal) {
    (void)signal;
    __builtin_trap();
}

void __SIG_HOLD(int signal) {
    (void)signal;
    __builtin_trap();
}

/* What a signal does that has no handler. Nobody could continue a stopped program, so those that stop do nothing. */
static void by_default(int signal) {
    switch (signal) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: return;
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS: dprintf(STDERR_FILENO, "%s\n", strsignal(signal)); __builtin_trap();
    default: dprintf(STDERR_FILENO, "%s\n", strsignal(signal)); _Exit(128 + signal);
    }
}

static void deliver(int signal, siginfo_t *info) {
    struct sigaction action = actions[signal];
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_handler == SIG_DFL) {
        by_default(signal);
        return;
    }
    if (action.sa_flags & SA_RESETHAND)
        actions[signal] = (struct sigaction){0};
    sigset_t before = blocked;
    blocked.__bits |= action.sa_mask.__bits | (action.sa_flags & SA_NODEFER ? 0 : bit(signal));
    blocked.__bits &= ~(bit(SIGKILL) | bit(SIGSTOP));
    int error = errno;
    if (action.sa_flags & SA_SIGINFO) {
        ucontext_t context = {.uc_sigmask = before};
        action.sa_sigaction(signal, info, &context);
    } else {
        action.sa_handler(signal);
    }
    errno = error;
    blocked = before;
}

/* Delivers what is pending and no longer blocked, lowest number first. */
static int deliver_pending(void) {
    unsigned long long ready;
    int count = 0;
    while ((ready = pending.__bits & ~blocked.__bits) != 0) {
        int signal = __builtin_ctzll(ready) + 1;
        pending.__bits &= ~bit(signal);
        deliver(signal, &details[signal]);
        count++;
    }
    return count;
}

static int send(int signal, int code, union sigval value) {
    if (signal < 0 || signal >= _NSIG)
        return fail(EINVAL);
    if (signal == 0)
        return 0;
    siginfo_t info = {.si_signo = signal, .si_code = code, .si_pid = getpid(), .si_value = value};
    if (blocked.__bits & bit(signal)) {
        if (actions[signal].sa_handler == SIG_IGN)
            return 0;
        if (!(pending.__bits & bit(signal)))
            details[signal] = info;
        pending.__bits |= bit(signal);
        return 0;
    }
    deliver(signal, &info);
    deliver_pending(); /* what the handler raised while it was masked */
    return 0;
}

int raise(int signal) { return send(signal, SI_TKILL, (union sigval){0}); }

/* A program's group is itself. */
static int is_self(pid_t pid) { return pid == 0 || pid == getpid() || pid == -getpid(); }

int kill(pid_t pid, int signal) {
    if (signal < 0 || signal >= _NSIG)
        return fail(EINVAL);
    return is_self(pid) ? send(signal, SI_USER, (union sigval){0}) : fail(ESRCH);
}

int killpg(pid_t group, int signal) { return group < 0 ? fail(EINVAL) : kill(-group, signal); }

int sigqueue(pid_t pid, int signal, union sigval value) {
    return pid == getpid() ? send(signal, SI_QUEUE, value) : fail(ESRCH);
}

int pthread_kill(pthread_t thread, int signal) {
    (void)thread; /* there is one */
    return signal < 0 || signal >= _NSIG ? EINVAL : raise(signal);
}

static void on_abort(void) {
    blocked.__bits &= ~bit(SIGABRT);
    if (actions[SIGABRT].sa_handler != SIG_DFL)
        raise(SIGABRT);
}

int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict old) {
    if (signal < 1 || signal >= _NSIG || (action != NULL && unblockable(signal)))
        return fail(EINVAL);
    struct sigaction before = actions[signal];
    if (action != NULL) {
        actions[signal] = *action;
        if (action->sa_handler == SIG_IGN)
            pending.__bits &= ~bit(signal);
        if (signal == SIGABRT)
            __libposix_on_abort = on_abort;
    }
    if (old != NULL)
        *old = before;
    return 0;
}

void (*signal(int number, void (*handler)(int)))(int) {
    struct sigaction action = {.sa_flags = SA_RESTART}, old;
    action.sa_handler = handler;
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}
void (*bsd_signal(int, void (*)(int)))(int) __attribute__((alias("signal")));
void (*__sysv_signal(int, void (*)(int)))(int) __attribute__((alias("signal")));

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old) {
    sigset_t before = blocked;
    if (set != NULL) {
        switch (how) {
        case SIG_BLOCK: blocked.__bits |= set->__bits; break;
        case SIG_UNBLOCK: blocked.__bits &= ~set->__bits; break;
        case SIG_SETMASK: blocked.__bits = set->__bits; break;
        default: return fail(EINVAL);
        }
        blocked.__bits &= ~(bit(SIGKILL) | bit(SIGSTOP));
    }
    if (old != NULL)
        *old = before;
    deliver_pending();
    return 0;
}

int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old) {
    return sigprocmask(how, set, old) < 0 ? EINVAL : 0;
}

int sigpending(sigset_t *set) {
    *set = pending;
    return 0;
}

/* Waiting for a signal that nobody can send lasts for ever, as it does for a Linux program that is alone. */
static void wait_for_ever(void) {
    for (;;)
        poll(NULL, 0, -1);
}

int sigsuspend(const sigset_t *mask) {
    sigset_t before = blocked;
    blocked.__bits = mask->__bits & ~(bit(SIGKILL) | bit(SIGSTOP));
    if (deliver_pending() == 0)
        wait_for_ever();
    blocked = before;
    deliver_pending();
    return fail(EINTR);
}

int pause(void) {
    wait_for_ever();
    return fail(EINTR);
}

/* Takes the lowest pending signal of `set`; 0 when there is none. */
static int take(const sigset_t *set, siginfo_t *info) {
    unsigned long long ready = pending.__bits & set->__bits;
    if (ready == 0)
        return 0;
    int signal = __builtin_ctzll(ready) + 1;
    pending.__bits &= ~bit(signal);
    if (info != NULL)
        *info = details[signal];
    return signal;
}

int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict timeout) {
    int signal = take(set, info);
    if (signal != 0)
        return signal;
    if (timeout == NULL)
        wait_for_ever();
    if (timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
        return fail(EINVAL);
    nanosleep(timeout, NULL);
    return fail(EAGAIN);
}

int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info) { return sigtimedwait(set, info, NULL); }

int sigwait(const sigset_t *restrict set, int *restrict signal) {
    *signal = sigtimedwait(set, NULL, NULL);
    return 0;
}

/* A jump buffer, as <setjmp.h> has it: sigsetjmp keeps the mask in the fields that setjmp does not use. */
struct buffer {
    unsigned long jump[8];
    unsigned long saved;
    sigset_t mask;
};

void __libposix_save_mask(void *env, int save) {
    struct buffer *buffer = env;
    buffer->saved = save != 0;
    memcpy(&buffer->mask, &blocked, sizeof blocked);
}

void __libposix_restore_mask(void *env) {
    struct buffer *buffer = env;
    if (!buffer->saved)
        return;
    memcpy(&blocked, &buffer->mask, sizeof blocked);
    deliver_pending();
}
