/* The same over ::1. */
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    char b[64] = {0};
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}, other;
    socklen_t len = sizeof a;
    int l = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET6, SOCK_STREAM, 0);
    SHOW(bind(l, (struct sockaddr *)&a, sizeof a));
    SHOW(listen(l, 5));
    SHOW(getsockname(l, (struct sockaddr *)&a, &len));
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    len = sizeof other;
    int s = accept(l, (struct sockaddr *)&other, &len);
    VAL(s >= 0), VAL(other.sin6_family == AF_INET6);
    STR(inet_ntop(AF_INET6, &other.sin6_addr, b, sizeof b));
    SHOW(send(c, "six", 3, 0));
    memset(b, 0, sizeof b);
    SHOW(recv(s, b, 16, 0));
    STR(b);
    return 0;
}
