/* A v6 listener at :: takes v4 connections as mapped addresses, unless it is V6ONLY. */
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static void attempt(int only) {
    char b[64];
    int one = only, zero = -1;
    struct sockaddr_in6 a = {.sin6_family = AF_INET6}, other;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a, size = sizeof zero;
    int l = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one));
    SHOW(getsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, &size));
    VAL(zero);
    SHOW(bind(l, (struct sockaddr *)&a, sizeof a));
    SHOW(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one));
    listen(l, 5);
    getsockname(l, (struct sockaddr *)&a, &len);
    four.sin_port = a.sin6_port;
    SHOW(connect(c, (struct sockaddr *)&four, sizeof four));
    if (only)
        return;
    len = sizeof other;
    int s = accept(l, (struct sockaddr *)&other, &len);
    STR(inet_ntop(AF_INET6, &other.sin6_addr, b, sizeof b));
    len = sizeof a;
    getsockname(s, (struct sockaddr *)&a, &len);
    STR(inet_ntop(AF_INET6, &a.sin6_addr, b, sizeof b));
}

int main(void) {
    attempt(0);
    attempt(1);
    return 0;
}
