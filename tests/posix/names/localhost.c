/* localhost, by all ways. */
#include "show.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void) {
    struct hostent *h = gethostbyname("localhost");
    VAL(h != NULL && h->h_addrtype == AF_INET && h->h_length == 4);
    STR(inet_ntoa(*(struct in_addr *)h->h_addr_list[0]));
    VAL(h->h_addr_list[1] == NULL);
    h = gethostbyname("10.1.2.3");
    STR(inet_ntoa(*(struct in_addr *)h->h_addr_list[0]));
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *r;
    VAL(getaddrinfo("localhost", "1", &hints, &r));
    VAL(((struct sockaddr_in *)r->ai_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    return 0;
}
