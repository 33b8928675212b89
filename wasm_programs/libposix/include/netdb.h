/* musl's <netdb.h>, whole. Known are numbers, `localhost`, the programs of the cell, and a small table of services. */
#ifndef LIBPOSIX_NETDB_H
#define LIBPOSIX_NETDB_H

#include_next <netdb.h>

#ifndef NI_MAXHOST
#define NI_MAXHOST 255
#define NI_MAXSERV 32
#endif

#endif
