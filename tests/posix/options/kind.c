/* SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN and SO_ERROR: to be read only. */
#include "show.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int v = -1, s = socket(AF_INET, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0);
    socklen_t len = sizeof v;
    getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len);
    VAL(v == SOCK_STREAM);
    getsockopt(s, SOL_SOCKET, SO_DOMAIN, &v, &len);
    VAL(v == AF_INET);
    getsockopt(six, SOL_SOCKET, SO_DOMAIN, &v, &len);
    VAL(v == AF_INET6);
    getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &v, &len);
    VAL(v == IPPROTO_TCP);
    getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
    VAL(v);
    listen(s, 1);
    getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
    VAL(v);
    getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len);
    VAL(v);
    SHOW(setsockopt(s, SOL_SOCKET, SO_TYPE, &v, sizeof v));
    SHOW(setsockopt(s, SOL_SOCKET, SO_ERROR, &v, sizeof v));
    return 0;
}
