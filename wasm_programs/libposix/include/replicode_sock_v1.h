/* The raw imports of module `replicode_sock_v1`; README.md beside this folder describes them. Programs use the POSIX
 * functions instead. All functions answer a result >= 0, or the negative of an error number of <errno.h>. */
#ifndef REPLICODE_SOCK_V1_H
#define REPLICODE_SOCK_V1_H

#include <stdint.h>

#define REPLICODE_SOCK_V1(name) __attribute__((import_module("replicode_sock_v1"), import_name(name)))

REPLICODE_SOCK_V1("open") int32_t replicode_sock_open(int32_t domain, int32_t type, int32_t protocol);
REPLICODE_SOCK_V1("bind") int32_t replicode_sock_bind(int32_t fd, const void *addr, uint32_t addr_len);
REPLICODE_SOCK_V1("listen") int32_t replicode_sock_listen(int32_t fd, int32_t backlog);
REPLICODE_SOCK_V1("accept") int32_t replicode_sock_accept(int32_t fd, int32_t flags, void *addr, uint32_t *addr_len);
REPLICODE_SOCK_V1("connect") int32_t replicode_sock_connect(int32_t fd, const void *addr, uint32_t addr_len);
REPLICODE_SOCK_V1("send") int32_t replicode_sock_send(int32_t fd, const void *data, uint32_t len, int32_t flags);
REPLICODE_SOCK_V1("recv") int32_t replicode_sock_recv(int32_t fd, void *buffer, uint32_t len, int32_t flags);
REPLICODE_SOCK_V1("sendto")
int32_t replicode_sock_sendto(int32_t fd, const void *data, uint32_t len, int32_t flags, const void *addr,
                              uint32_t addr_len);
REPLICODE_SOCK_V1("recvfrom")
int32_t replicode_sock_recvfrom(int32_t fd, void *buffer, uint32_t len, int32_t flags, void *addr, uint32_t *addr_len);
REPLICODE_SOCK_V1("shutdown") int32_t replicode_sock_shutdown(int32_t fd, int32_t how);
REPLICODE_SOCK_V1("close") int32_t replicode_sock_close(int32_t fd);
REPLICODE_SOCK_V1("getsockname") int32_t replicode_sock_getsockname(int32_t fd, void *addr, uint32_t *addr_len);
REPLICODE_SOCK_V1("getpeername") int32_t replicode_sock_getpeername(int32_t fd, void *addr, uint32_t *addr_len);
REPLICODE_SOCK_V1("getsockopt")
int32_t replicode_sock_getsockopt(int32_t fd, int32_t level, int32_t name, void *value, uint32_t *len);
REPLICODE_SOCK_V1("setsockopt")
int32_t replicode_sock_setsockopt(int32_t fd, int32_t level, int32_t name, const void *value, uint32_t len);
REPLICODE_SOCK_V1("resolve")
int32_t replicode_sock_resolve(const char *name, uint32_t name_len, void *addrs, uint32_t max);

#endif
