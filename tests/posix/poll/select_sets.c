/* select clears what is not ready, in all three sets. */
#include "show.h"
#include <sys/select.h>
#include <unistd.h>

int main(void) {
    int a[2], b[2];
    pipe(a);
    pipe(b);
    write(a[1], "x", 1);
    fd_set r, w, e;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&e);
    FD_SET(a[0], &r);
    FD_SET(b[0], &r);
    FD_SET(a[1], &w);
    FD_SET(a[0], &e);
    SHOW(select(b[1] + 1, &r, &w, &e, &(struct timeval){1, 0}));
    VAL(FD_ISSET(a[0], &r)), VAL(FD_ISSET(b[0], &r)), VAL(FD_ISSET(a[1], &w)), VAL(FD_ISSET(a[0], &e));
    FD_ZERO(&r);
    FD_SET(b[0], &r);
    SHOW(select(b[0] + 1, &r, NULL, NULL, &(struct timeval){0, 0}));
    VAL(FD_ISSET(b[0], &r));
    close(b[1]);
    FD_SET(b[0], &r);
    SHOW(select(b[0] + 1, &r, NULL, NULL, NULL));
    VAL(FD_ISSET(b[0], &r));
    return 0;
}
