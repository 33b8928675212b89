/* wasi-libc's sockaddr_un has no sun_path, so programs that only mention it do not compile. Of Unix-domain sockets there
 * is socketpair; socket(AF_UNIX) answers EAFNOSUPPORT. */
#ifndef LIBPOSIX_SYS_UN_H
#define LIBPOSIX_SYS_UN_H

#define sockaddr_un __wasilibc_sockaddr_un
#include_next <sys/un.h>
#undef sockaddr_un

struct sockaddr_un {
    sa_family_t sun_family;
    char sun_path[108];
};

#undef SUN_LEN
#define SUN_LEN(s) (__builtin_offsetof(struct sockaddr_un, sun_path) + __builtin_strlen((s)->sun_path))

#endif
