/* The functions on sets. */
#include "show.h"
#include <signal.h>

int main(void) {
    sigset_t a, b, c;
    SHOW(sigemptyset(&a));
    SHOW(sigismember(&a, SIGTERM));
    SHOW(sigaddset(&a, SIGTERM));
    SHOW(sigismember(&a, SIGTERM));
    SHOW(sigaddset(&a, 0));
    SHOW(sigaddset(&a, 999));
    SHOW(sigismember(&a, 999));
    SHOW(sigfillset(&b));
    SHOW(sigdelset(&b, SIGTERM));
    SHOW(sigismember(&b, SIGTERM));
    SHOW(sigismember(&b, SIGINT));
    SHOW(sigandset(&c, &a, &b));
    SHOW(sigisemptyset(&c));
    SHOW(sigorset(&c, &a, &b));
    SHOW(sigismember(&c, SIGTERM));
    VAL(SIGRTMIN < SIGRTMAX);
    return 0;
}
