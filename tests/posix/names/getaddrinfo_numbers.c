/* getaddrinfo with numbers: families, flags, ports. */
#include "show.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void look(const char *name, const char *service, int family, int flags) {
    struct addrinfo hints = {.ai_family = family, .ai_flags = flags, .ai_socktype = SOCK_STREAM}, *r;
    int e = getaddrinfo(name, service, &hints, &r);
    printf("%s %s: %s\n", name ? name : "-", service ? service : "-", e ? gai_strerror(e) : "ok");
    if (e)
        return;
    for (struct addrinfo *a = r; a; a = a->ai_next) {
        char b[64];
        int six = a->ai_family == AF_INET6;
        inet_ntop(a->ai_family, six ? (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr : (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr, b, sizeof b);
        printf("  %s %d %s%s\n", b, ntohs(((struct sockaddr_in *)a->ai_addr)->sin_port), a->ai_socktype == SOCK_STREAM ? "stream" : "?", a->ai_canonname ? " named" : "");
    }
    freeaddrinfo(r);
}

int main(void) {
    look("127.0.0.1", "80", AF_UNSPEC, 0);
    look("127.1", NULL, AF_INET, 0);
    look("::1", "443", AF_INET6, AI_NUMERICHOST);
    look("1.2.3.4", NULL, AF_INET6, AI_NUMERICHOST);
    look("::1", NULL, AF_INET, AI_NUMERICHOST);
    look(NULL, "8080", AF_INET, AI_PASSIVE);
    look(NULL, "8080", AF_INET6, AI_PASSIVE);
    look(NULL, "8080", AF_INET, 0);
    look("localhost", NULL, AF_UNSPEC, AI_NUMERICHOST);
    look(NULL, NULL, AF_UNSPEC, 0);
    look("127.0.0.1", "http", AF_INET, 0);
    look("127.0.0.1", "http", AF_INET, AI_NUMERICSERV);
    look("127.0.0.1", "no-such-service", AF_INET, 0);
    look("127.0.0.1", NULL, 77, 0);
    look("127.0.0.1", NULL, AF_INET, AI_CANONNAME);
    look("127.0.0.1", NULL, AF_INET, 0x8000);
    return 0;
}
