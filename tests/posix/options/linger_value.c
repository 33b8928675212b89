/* SO_LINGER is read back as it was set. */
#include "show.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct linger l = {9, 9};
    socklen_t len = sizeof l;
    SHOW(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &len));
    VAL(l.l_onoff), VAL(l.l_linger), VAL(len);
    l = (struct linger){1, 5};
    SHOW(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    l = (struct linger){9, 9};
    SHOW(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &len));
    VAL(l.l_onoff), VAL(l.l_linger);
    return 0;
}
