/* shutdown of one direction; data still arrives the other way. */
#include "show.h"
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    char b[16];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGPIPE, SIG_IGN);
    bind(l, (struct sockaddr *)&a, sizeof a);
    listen(l, 5);
    getsockname(l, (struct sockaddr *)&a, &len);
    connect(c, (struct sockaddr *)&a, sizeof a);
    int s = accept(l, NULL, NULL);
    send(c, "bye", 3, 0);
    SHOW(shutdown(c, SHUT_WR));
    SHOW(send(c, "x", 1, MSG_NOSIGNAL));
    SHOW(recv(s, b, 16, 0));
    SHOW(recv(s, b, 16, 0));
    struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT | POLLRDHUP};
    SHOW(poll(&p, 1, 0));
    BITS(p.revents);
    SHOW(send(s, "still", 5, 0));
    SHOW(recv(c, b, 16, 0));
    SHOW(shutdown(s, SHUT_WR));
    usleep(50000);
    p = (struct pollfd){.fd = c, .events = POLLIN | POLLOUT | POLLRDHUP};
    SHOW(poll(&p, 1, 100));
    BITS(p.revents);
    SHOW(shutdown(s, SHUT_RDWR));
    return 0;
}
