/* select: a closed descriptor, a negative number of them, a time that is none. */
#include "show.h"
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    fd_set r;
    FD_ZERO(&r);
    FD_SET(50, &r);
    SHOW(select(51, &r, NULL, NULL, &(struct timeval){0, 0}));
    VAL(FD_ISSET(50, &r));
    SHOW(select(-1, NULL, NULL, NULL, &(struct timeval){0, 0}));
    SHOW(select(0, NULL, NULL, NULL, &(struct timeval){-1, 0}));
    SHOW(pselect(0, NULL, NULL, NULL, &(struct timespec){0, -1}, NULL));
    SHOW(pselect(0, NULL, NULL, NULL, &(struct timespec){0, 1000}, NULL));
    FD_ZERO(&r);
    FD_SET(50, &r);
    SHOW(select(50, &r, NULL, NULL, &(struct timeval){0, 0}));
    return 0;
}
