/* wasi-libc's <arpa/inet.h> plus inet_addr, inet_ntoa and their kin, which it leaves out. */
#ifndef LIBPOSIX_ARPA_INET_H
#define LIBPOSIX_ARPA_INET_H

#include_next <arpa/inet.h>

#ifdef __cplusplus
extern "C" {
#endif

in_addr_t inet_addr(const char *);
in_addr_t inet_network(const char *);
char *inet_ntoa(struct in_addr); /* points to static storage */
struct in_addr inet_makeaddr(in_addr_t, in_addr_t);
in_addr_t inet_lnaof(struct in_addr);
in_addr_t inet_netof(struct in_addr);

#ifdef __cplusplus
}
#endif

#endif
