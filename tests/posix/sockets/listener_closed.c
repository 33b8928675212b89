/* Connections that nobody accepted are reset when the listener goes. */
#include "show.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    char b[4];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    bind(l, (struct sockaddr *)&a, sizeof a);
    listen(l, 5);
    getsockname(l, (struct sockaddr *)&a, &len);
    connect(c, (struct sockaddr *)&a, sizeof a);
    usleep(50000);
    close(l);
    usleep(50000);
    SHOW(recv(c, b, 4, 0));
    struct pollfd p = {.fd = c, .events = POLLIN | POLLOUT};
    SHOW(poll(&p, 1, 100));
    BITS(p.revents);
    SHOW(recv(c, b, 4, 0));
    return 0;
}
