/* Nobody listens: blocking and not. */
#include "show.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
    int c = socket(AF_INET, SOCK_STREAM, 0), error = -1;
    socklen_t len = sizeof error;
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    close(c);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int r = connect(c, (struct sockaddr *)&a, sizeof a);
    printf("%s\n", r == 0 ? "connected" : errno == EINPROGRESS || errno == ECONNREFUSED ? "refused or will be" : error_name(errno));
    struct pollfd p = {.fd = c, .events = POLLIN | POLLOUT};
    SHOW(poll(&p, 1, 1000));
    BITS(p.revents);
    SHOW(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len));
    printf("%s\n", error_name(error));
    SHOW(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len));
    VAL(error);
    return 0;
}
