/* SO_RCVTIMEO acts: recv gives up with EAGAIN after its time. */
#include "show.h"
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    int s[2];
    char b[4];
    struct timespec t0, t1;
    struct timeval tv = {0, 50000}, got = {9, 9};
    socklen_t len = sizeof got;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    SHOW(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len));
    VAL(got.tv_sec), VAL(got.tv_usec >= 50000 && got.tv_usec < 60000);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    SHOW(recv(s[0], b, 4, 0));
    clock_gettime(CLOCK_MONOTONIC, &t1);
    long ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
    VAL(ms >= 49 && ms < 5000);
    return 0;
}
