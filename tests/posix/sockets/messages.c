/* sendmsg and recvmsg: pieces out and in, and what the header says afterwards. */
#include "show.h"
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    int s[2];
    char a[4] = {0}, b[8] = {0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    struct iovec out[2] = {{"one", 3}, {"three", 5}}, in[2] = {{a, 3}, {b, 7}};
    struct msghdr m = {.msg_iov = out, .msg_iovlen = 2};
    SHOW(sendmsg(s[0], &m, 0));
    m = (struct msghdr){.msg_iov = in, .msg_iovlen = 2, .msg_flags = 77};
    SHOW(recvmsg(s[1], &m, 0));
    STR(a);
    STR(b);
    VAL(m.msg_flags), VAL(m.msg_controllen), VAL(m.msg_namelen);
    SHOW(recvmsg(s[1], &m, MSG_DONTWAIT));
    close(s[0]);
    SHOW(recvmsg(s[1], &m, 0));
    SHOW(sendmsg(s[1], &m, MSG_NOSIGNAL));
    return 0;
}
