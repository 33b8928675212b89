/* Calls on sockets that are not in the state for them. */
#include "show.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    char b[4];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0), f = open("f", O_CREAT | O_RDWR, 0644);
    SHOW(accept(s, NULL, NULL));
    SHOW(recv(s, b, 4, 0));
    SHOW(send(s, b, 4, MSG_NOSIGNAL));
    SHOW(read(s, b, 4));
    SHOW(getpeername(s, (struct sockaddr *)&a, &len));
    SHOW(shutdown(s, SHUT_RD));
    SHOW(bind(s, (struct sockaddr *)&a, sizeof a));
    SHOW(bind(s, (struct sockaddr *)&a, sizeof a));
    SHOW(lseek(s, 0, SEEK_SET));
    SHOW(bind(f, (struct sockaddr *)&a, sizeof a));
    SHOW(listen(f, 1));
    SHOW(connect(f, (struct sockaddr *)&a, sizeof a));
    SHOW(accept(f, NULL, NULL));
    SHOW(recv(f, b, 4, 0));
    SHOW(send(f, b, 4, 0));
    SHOW(shutdown(f, SHUT_RD));
    SHOW(getsockname(f, (struct sockaddr *)&a, &len));
    SHOW(bind(-1, (struct sockaddr *)&a, sizeof a));
    SHOW(socket(AF_INET, 99, 0));
    SHOW(socket(99, SOCK_STREAM, 0));
    SHOW(shutdown(s, 99));
    return 0;
}
