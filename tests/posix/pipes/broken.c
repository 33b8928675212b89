/* Writing when nobody reads: EPIPE, SIGPIPE being ignored. */
#include "show.h"
#include <signal.h>
#include <unistd.h>

int main(void) {
    int p[2];
    signal(SIGPIPE, SIG_IGN);
    pipe(p);
    close(p[0]);
    SHOW(write(p[1], "x", 1));
    SHOW(write(p[1], "x", 0));
    SHOW(close(p[1]));
    return 0;
}
