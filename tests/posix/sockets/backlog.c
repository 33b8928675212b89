/* As many connections may wait as listen(SOMAXCONN) says, which is more than older systems had. */
#include "show.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0), connected = 0;
    SHOW(SOMAXCONN);
    bind(l, (struct sockaddr *)&a, sizeof a);
    getsockname(l, (struct sockaddr *)&a, &len);
    SHOW(listen(l, SOMAXCONN));
    for (int i = 0; i < 300; i++)
        connected += connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a) == 0;
    SHOW(connected);
    return 0;
}
