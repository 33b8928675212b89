/* Addresses in use, not one's own, of another family, too short. */
#include "show.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, b;
    socklen_t len = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0), t = socket(AF_INET, SOCK_STREAM, 0);
    bind(s, (struct sockaddr *)&a, sizeof a);
    listen(s, 1);
    getsockname(s, (struct sockaddr *)&a, &len);
    SHOW(bind(t, (struct sockaddr *)&a, sizeof a));
    b = a;
    b.sin_port = 0;
    b.sin_addr.s_addr = htonl(0x08080808);
    SHOW(bind(t, (struct sockaddr *)&b, sizeof b));
    b = a;
    b.sin_family = AF_INET6;
    SHOW(bind(t, (struct sockaddr *)&b, sizeof b));
    SHOW(bind(t, (struct sockaddr *)&a, 2));
    SHOW(listen(t, 1));
    SHOW(bind(t, (struct sockaddr *)&a, sizeof a));
    return 0;
}
