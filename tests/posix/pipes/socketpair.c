/* A socket pair: both ways, half-closed, and what it is. */
#include "show.h"
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int s[2], type = 0;
    socklen_t len = sizeof type;
    char b[16] = {0};
    struct stat st;
    signal(SIGPIPE, SIG_IGN);
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    SHOW(write(s[0], "ping", 4));
    SHOW(read(s[1], b, 16));
    STR(b);
    SHOW(send(s[1], "pong", 4, 0));
    SHOW(recv(s[0], b, 16, 0));
    STR(b);
    SHOW(shutdown(s[0], SHUT_WR));
    SHOW(read(s[1], b, 16));
    SHOW(write(s[0], "x", 1));
    SHOW(write(s[1], "y", 1));
    SHOW(read(s[0], b, 16));
    fstat(s[0], &st);
    VAL(S_ISSOCK(st.st_mode));
    SHOW(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len));
    VAL(type == SOCK_STREAM);
    SHOW(close(s[0]));
    SHOW(write(s[1], "z", 1));
    SHOW(read(s[1], b, 16));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, s));
    return 0;
}
