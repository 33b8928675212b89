/* TCP options; wasi-libc has no such header. The runtime answers ENOPROTOOPT to those that it does not know. */
#ifndef LIBPOSIX_NETINET_TCP_H
#define LIBPOSIX_NETINET_TCP_H

#define TCP_NODELAY 1
#define TCP_MAXSEG 2
#define TCP_CORK 3
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_KEEPCNT 6
#define TCP_DEFER_ACCEPT 9
#define TCP_QUICKACK 12
#define TCP_USER_TIMEOUT 18

#endif
