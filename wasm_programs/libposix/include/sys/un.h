/* wasi-libc's sockaddr_un has no sun_path, so programs that only mention it do not compile. There are no Unix-domain
 * sockets here: socket(AF_UNIX) answers EAFNOSUPPORT. */
#ifndef LIBPOSIX_SYS_UN_H
#define LIBPOSIX_SYS_UN_H

#define sockaddr_un __wasilibc_sockaddr_un
#include_next <sys/un.h>
#undef sockaddr_un

struct sockaddr_un {
    sa_family_t sun_family;
    char sun_path[108];
};

#endif
