/* sigsetjmp with a mask puts it back; without, it stays. */
#include "show.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf env;

static int blocked(void) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, SIGUSR1);
}

static void block(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(how, &set, NULL);
}

int main(void) {
    if (sigsetjmp(env, 1) == 0) {
        block(SIG_BLOCK);
        siglongjmp(env, 1);
    }
    VAL(blocked());
    if (sigsetjmp(env, 0) == 0) {
        block(SIG_BLOCK);
        siglongjmp(env, 1);
    }
    VAL(blocked());
    return 0;
}
