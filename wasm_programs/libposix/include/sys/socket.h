/* wasi-libc's <sys/socket.h> plus what it hides for wasip1. Values are those wasi-libc uses where it shows them. */
#ifndef LIBPOSIX_SYS_SOCKET_H
#define LIBPOSIX_SYS_SOCKET_H

#include_next <sys/socket.h>

/* wasip1 defines MSG_TRUNC with the value of MSG_PEEK (an output flag of preview1): take the portable one. */
#undef MSG_TRUNC
#define MSG_TRUNC 0x0020
#define MSG_DONTWAIT 0x0040
#define MSG_NOSIGNAL 0x4000

#define SOL_IP 0
#define SOL_TCP 6
#define SOL_UDP 17
#define SOL_IPV6 41

#define SOMAXCONN 128

#define SO_REUSEADDR 2
#define SO_ERROR 4
#define SO_BROADCAST 6
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define SO_LINGER 13
#define SO_REUSEPORT 15
#define SO_ACCEPTCONN 30
#define SO_PROTOCOL 38
#define SO_DOMAIN 39
#define SO_RCVTIMEO 66
#define SO_SNDTIMEO 67

#define PF_UNIX AF_UNIX
#define AF_LOCAL AF_UNIX

#ifdef __cplusplus
extern "C" {
#endif

int socket(int, int, int);
int bind(int, const struct sockaddr *, socklen_t);
int listen(int, int);
int connect(int, const struct sockaddr *, socklen_t);
int getsockname(int, struct sockaddr *__restrict, socklen_t *__restrict);
int getpeername(int, struct sockaddr *__restrict, socklen_t *__restrict);
ssize_t sendto(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
ssize_t recvfrom(int, void *__restrict, size_t, int, struct sockaddr *__restrict, socklen_t *__restrict);
int setsockopt(int, int, int, const void *, socklen_t);

#ifdef __cplusplus
}
#endif

#endif
