/* Options that are set and read back. */
#include "show.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int s;

static void flag(const char *name, int level, int option) {
    int v = -1, one = 1;
    socklen_t len = sizeof v;
    int before = getsockopt(s, level, option, &v, &len);
    printf("%s: %d, %d", name, before, v);
    int set = setsockopt(s, level, option, &one, sizeof one);
    v = -1;
    getsockopt(s, level, option, &v, &len);
    printf(", set %d, then %d, length %d\n", set, v != 0, (int)len);
}

int main(void) {
    s = socket(AF_INET, SOCK_STREAM, 0);
    flag("SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR);
    flag("SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT);
    flag("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE);
    flag("SO_BROADCAST", SOL_SOCKET, SO_BROADCAST);
    flag("SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE);
    flag("SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE);
    flag("TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY);
    flag("TCP_CORK", IPPROTO_TCP, TCP_CORK);
    int v = 300;
    socklen_t len = sizeof v;
    SHOW(setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v));
    v = 0;
    SHOW(getsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &v, &len));
    VAL(v);
    v = 0x10;
    SHOW(setsockopt(s, IPPROTO_IP, IP_TOS, &v, sizeof v));
    v = 0;
    SHOW(getsockopt(s, IPPROTO_IP, IP_TOS, &v, &len));
    VAL(v);
    return 0;
}
