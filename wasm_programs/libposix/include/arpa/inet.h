/* wasi-libc's <arpa/inet.h> plus inet_addr and inet_ntoa, which it leaves out. */
#ifndef LIBPOSIX_ARPA_INET_H
#define LIBPOSIX_ARPA_INET_H

#include_next <arpa/inet.h>

#ifdef __cplusplus
extern "C" {
#endif

in_addr_t inet_addr(const char *);
char *inet_ntoa(struct in_addr); /* points to static storage */

#ifdef __cplusplus
}
#endif

#endif
