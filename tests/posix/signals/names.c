/* The names of signals. */
#include "show.h"
#include <signal.h>

int main(void) {
    STR(strsignal(SIGHUP));
    STR(strsignal(SIGTERM));
    STR(strsignal(SIGSEGV));
    STR(strsignal(SIGPIPE));
    STR(strsignal(SIGUSR1));
    return 0;
}
