/* kill to oneself, by number and by group; and to nobody. */
#include "show.h"
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t count;

static void handler(int signal) { (void)signal, count++; }

int main(void) {
    signal(SIGUSR2, handler);
    SHOW(kill(getpid(), SIGUSR2));
    VAL(count);
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 999));
    SHOW(kill(999999, SIGUSR2));
    SHOW(kill(999999, 0));
    VAL(count);
    return 0;
}
