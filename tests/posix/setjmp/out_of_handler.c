/* siglongjmp out of a signal handler. */
#include "show.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf env;

static void handler(int signal) { siglongjmp(env, signal == SIGUSR1 ? 5 : 6); }

int main(void) {
    signal(SIGUSR1, handler);
    for (volatile int i = 0; i < 2; i++) {
        int v = sigsetjmp(env, 1);
        VAL(v);
        if (v == 0)
            raise(SIGUSR1);
    }
    return 0;
}
