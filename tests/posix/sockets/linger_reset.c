/* SO_LINGER with no time: close resets at once. */
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
    int s = accept(l, NULL, NULL);
    struct linger none = {1, 0};
    SHOW(setsockopt(c, SOL_SOCKET, SO_LINGER, &none, sizeof none));
    close(c);
    usleep(50000);
    SHOW(recv(s, b, 4, 0));
    SHOW(recv(s, b, 4, 0));
    return 0;
}
