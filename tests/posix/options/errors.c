/* Options that are unknown, values that are too short, descriptors that are no sockets. */
#include "show.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int v = 1, s = socket(AF_INET, SOCK_STREAM, 0), f = open("f", O_CREAT | O_RDWR, 0644);
    socklen_t len = sizeof v;
    SHOW(setsockopt(s, SOL_SOCKET, 9999, &v, sizeof v));
    SHOW(getsockopt(s, SOL_SOCKET, 9999, &v, &len));
    SHOW(setsockopt(s, IPPROTO_TCP, 9999, &v, sizeof v));
    SHOW(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, 1));
    SHOW(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, 2));
    SHOW(setsockopt(s, SOL_SOCKET, SO_LINGER, &v, sizeof v));
    SHOW(setsockopt(f, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof v));
    SHOW(getsockopt(f, SOL_SOCKET, SO_TYPE, &v, &len));
    SHOW(getsockopt(-1, SOL_SOCKET, SO_TYPE, &v, &len));
    len = 1;
    SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len));
    VAL(len);
    v = 0;
    len = sizeof v;
    SHOW(setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v));
    SHOW(setsockopt(s, IPPROTO_TCP, TCP_KEEPCNT, &v, sizeof v));
    return 0;
}
