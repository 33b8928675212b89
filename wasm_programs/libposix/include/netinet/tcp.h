/* TCP options; wasi-libc has no such header. Only TCP_NODELAY is known to the runtime, others answer ENOPROTOOPT. */
#ifndef LIBPOSIX_NETINET_TCP_H
#define LIBPOSIX_NETINET_TCP_H

#define TCP_NODELAY 1
#define TCP_MAXSEG 2
#define TCP_CORK 3
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_KEEPCNT 6

#endif
