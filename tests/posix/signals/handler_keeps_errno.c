/* A handler that changes errno, and one that raises another signal. */
#include "show.h"
#include <signal.h>

static char order[8];

static void second(int signal) { (void)signal, strcat(order, "2"); }

static void first(int signal) {
    (void)signal;
    strcat(order, "<");
    raise(SIGUSR2);
    strcat(order, ">");
}

int main(void) {
    signal(SIGUSR1, first);
    signal(SIGUSR2, second);
    raise(SIGUSR1);
    STR(order);
    return 0;
}
