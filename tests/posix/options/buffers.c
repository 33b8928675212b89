/* SO_SNDBUF and SO_RCVBUF: a size is taken and one at least as large is told. */
#include "show.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), v = 32768;
    socklen_t len = sizeof v;
    SHOW(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    SHOW(getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len));
    VAL(v >= 32768);
    v = 32768;
    SHOW(setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, sizeof v));
    SHOW(getsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, &len));
    VAL(v >= 32768);
    return 0;
}
