/* abort runs the handler of SIGABRT; a handler that leaves with exit decides the status. */
#include "show.h"
#include <signal.h>
#include <stdlib.h>

static void handler(int signal) {
    printf("handler %d\n", signal == SIGABRT);
    exit(3);
}

int main(void) {
    signal(SIGABRT, handler);
    abort();
}
