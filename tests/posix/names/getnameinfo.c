/* getnameinfo, as numbers. */
#include "show.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void) {
    char h[64], s[16];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(6379), .sin_addr.s_addr = htonl(0x0a000001)};
    struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = in6addr_loopback};
    VAL(getnameinfo((void *)&a, sizeof a, h, sizeof h, s, sizeof s, NI_NUMERICHOST | NI_NUMERICSERV));
    STR(h);
    STR(s);
    VAL(getnameinfo((void *)&b, sizeof b, h, sizeof h, s, sizeof s, NI_NUMERICHOST | NI_NUMERICSERV));
    STR(h);
    STR(s);
    VAL(getnameinfo((void *)&b, sizeof b, h, sizeof h, NULL, 0, NI_NUMERICHOST));
    STR(gai_strerror(getnameinfo((void *)&a, sizeof a, h, 3, NULL, 0, NI_NUMERICHOST)));
    STR(gai_strerror(getnameinfo((void *)&a, 2, h, sizeof h, NULL, 0, NI_NUMERICHOST)));
    STR(gai_strerror(getnameinfo((void *)&a, sizeof a, NULL, 0, NULL, 0, 0)));
    return 0;
}
