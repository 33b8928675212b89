/* A connection to oneself over 127.0.0.1: names of both ends, data, the end. */
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    char b[16] = {0};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, other;
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    SHOW(bind(l, (struct sockaddr *)&a, sizeof a));
    SHOW(listen(l, 5));
    SHOW(getsockname(l, (struct sockaddr *)&a, &len));
    VAL(a.sin_port != 0), VAL(len == sizeof a);
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    len = sizeof other;
    int s = accept(l, (struct sockaddr *)&other, &len);
    VAL(s >= 0), VAL(len == sizeof other);
    struct sockaddr_in own;
    len = sizeof own;
    getsockname(c, (struct sockaddr *)&own, &len);
    VAL(own.sin_port == other.sin_port);
    SHOW(getpeername(c, (struct sockaddr *)&own, &len));
    VAL(own.sin_port == a.sin_port);
    SHOW(send(c, "hello", 5, 0));
    SHOW(recv(s, b, 2, 0));
    SHOW(recv(s, b, 16, 0));
    SHOW(write(s, "back", 4));
    SHOW(read(c, b, 16));
    SHOW(close(c));
    SHOW(read(s, b, 16));
    SHOW(connect(s, (struct sockaddr *)&a, sizeof a));
    return 0;
}
