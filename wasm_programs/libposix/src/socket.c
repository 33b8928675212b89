/* The BSD socket calls: each is one import of `replicode_sock_v1` or `replicode_posix_v1`, with the error moved to
 * errno. Of wasi-libc's own versions, which have less in them, none is linked: these objects come first. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/uio.h>

#include "internal.h"
#include "replicode_sock_v1.h"

int socket(int domain, int type, int protocol) { return checked(replicode_sock_open(domain, type, protocol)); }

int socketpair(int domain, int type, int protocol, int fds[2]) {
    return checked(replicode_posix_socketpair(domain, type, protocol, fds));
}

int bind(int fd, const struct sockaddr *addr, socklen_t len) { return checked(replicode_sock_bind(fd, addr, len)); }

int listen(int fd, int backlog) { return checked(replicode_sock_listen(fd, backlog)); }

int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags) {
    return checked(replicode_sock_accept(fd, flags, addr, (uint32_t *)len));
}

int accept(int fd, struct sockaddr *restrict addr, socklen_t *restrict len) { return accept4(fd, addr, len, 0); }

int connect(int fd, const struct sockaddr *addr, socklen_t len) {
    return checked(replicode_sock_connect(fd, addr, len));
}

ssize_t send(int fd, const void *data, size_t len, int flags) {
    return checked(replicode_sock_send(fd, data, len, flags));
}

ssize_t recv(int fd, void *buffer, size_t len, int flags) {
    return checked(replicode_sock_recv(fd, buffer, len, flags));
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *addr, socklen_t addr_len) {
    return checked(replicode_sock_sendto(fd, data, len, flags, addr, addr_len));
}

ssize_t recvfrom(int fd, void *restrict buffer, size_t len, int flags, struct sockaddr *restrict addr,
                 socklen_t *restrict addr_len) {
    return checked(replicode_sock_recvfrom(fd, buffer, len, flags, addr, (uint32_t *)addr_len));
}

/* There is no ancillary data: what somebody wants to send cannot arrive, and nothing is ever received. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (message->msg_control != NULL && message->msg_controllen != 0)
        return fail(EOPNOTSUPP);
    return checked(replicode_posix_sendmsg(fd, message->msg_iov, message->msg_iovlen, flags, message->msg_name,
                                           message->msg_name == NULL ? 0 : message->msg_namelen));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    int n = checked(replicode_posix_recvmsg(fd, message->msg_iov, message->msg_iovlen, flags, message->msg_name,
                                            message->msg_name == NULL ? NULL : (uint32_t *)&message->msg_namelen));
    if (n >= 0) {
        if (message->msg_name == NULL)
            message->msg_namelen = 0;
        message->msg_controllen = 0;
        message->msg_flags = 0;
    }
    return n;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, unsigned flags) {
    unsigned i = 0;
    for (; i < n; i++) {
        ssize_t sent = sendmsg(fd, &messages[i].msg_hdr, flags);
        if (sent < 0)
            return i == 0 ? -1 : (int)i;
        messages[i].msg_len = sent;
    }
    return i;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned n, unsigned flags, struct timespec *timeout) {
    (void)timeout; /* looked at only between messages, as in Linux; they are all there or none is */
    unsigned i = 0;
    for (; i < n; i++) {
        ssize_t got = recvmsg(fd, &messages[i].msg_hdr, i == 0 ? flags : flags | MSG_DONTWAIT);
        if (got < 0)
            return i == 0 ? -1 : (int)i;
        messages[i].msg_len = got;
    }
    return i;
}

int shutdown(int fd, int how) { return checked(replicode_sock_shutdown(fd, how)); }

int getsockname(int fd, struct sockaddr *restrict addr, socklen_t *restrict len) {
    return checked(replicode_sock_getsockname(fd, addr, (uint32_t *)len));
}

int getpeername(int fd, struct sockaddr *restrict addr, socklen_t *restrict len) {
    return checked(replicode_sock_getpeername(fd, addr, (uint32_t *)len));
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len) {
    return checked(replicode_sock_getsockopt(fd, level, name, value, (uint32_t *)len));
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    return checked(replicode_sock_setsockopt(fd, level, name, value, len));
}

/* There is no urgent data, so never a mark. */
int sockatmark(int fd) {
    int type;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ? -1 : 0;
}
