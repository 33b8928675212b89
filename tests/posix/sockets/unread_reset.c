/* Closing with unread data resets the connection. */
#include "show.h"
#include "loopback.h"
#include <unistd.h>

int main(void) {
    char b[4];
    int l, c;
    loopback(&l, &c);
    int s = accept(l, NULL, NULL);
    send(c, "unread", 6, 0);
    usleep(50000);
    close(s);
    usleep(50000);
    SHOW(recv(c, b, 4, 0));
    SHOW(send(c, "x", 1, MSG_NOSIGNAL));
    return 0;
}
