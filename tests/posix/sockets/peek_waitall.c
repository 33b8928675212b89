/* MSG_PEEK, MSG_WAITALL, MSG_TRUNC and MSG_DONTWAIT on a stream. */
#include "show.h"
#include "loopback.h"
#include <unistd.h>

int main(void) {
    char b[16] = {0};
    int l, c;
    loopback(&l, &c);
    int s = accept(l, NULL, NULL);
    send(c, "abcdef", 6, 0);
    SHOW(recv(s, b, 3, MSG_PEEK));
    SHOW(recv(s, b, 4, MSG_PEEK));
    STR(b);
    SHOW(recv(s, b, 2, MSG_WAITALL));
    SHOW(recv(s, b, 0, 0));
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    memset(b, 0, sizeof b);
    SHOW(recvfrom(s, b, 16, 0, (struct sockaddr *)&from, &len));
    STR(b);
    SHOW(recv(s, b, 4, MSG_DONTWAIT));
    close(c);
    SHOW(recv(s, b, 16, MSG_WAITALL));
    return 0;
}
