/* connect in progress, accept and recv with nothing there. */
#include "show.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    char b[4];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = -1;
    bind(l, (struct sockaddr *)&a, sizeof a);
    listen(l, 5);
    getsockname(l, (struct sockaddr *)&a, &len);
    SHOW(accept(l, NULL, NULL));
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    struct pollfd p = {.fd = c, .events = POLLOUT};
    SHOW(poll(&p, 1, 1000));
    BITS(p.revents);
    len = sizeof error;
    getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len);
    VAL(error);
    p = (struct pollfd){.fd = l, .events = POLLIN | POLLOUT};
    SHOW(poll(&p, 1, 1000));
    BITS(p.revents);
    int s = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    SHOW(recv(s, b, 4, 0));
    SHOW(recv(c, b, 4, MSG_DONTWAIT));
    a.sin_port = htons(1);
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    return 0;
}
