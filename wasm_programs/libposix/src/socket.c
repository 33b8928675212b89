/* The BSD socket calls: each is one import of `replicode_sock_v1`, with the error moved to errno.
 *
 * accept, accept4, send, recv, shutdown and getsockopt exist in wasi-libc too, with less in them; this archive comes
 * first on the linker's line, so these win. */
#include <errno.h>
#include <sys/socket.h>

#include "replicode_sock_v1.h"

static int checked(int32_t result) {
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return result;
}

int socket(int domain, int type, int protocol) { return checked(replicode_sock_open(domain, type, protocol)); }

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
