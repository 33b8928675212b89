/* Numbers to text and back. */
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void) {
    struct in_addr a;
    unsigned char six[16];
    char b[64];
    SHOW(inet_aton("1.2.3.4", &a));
    STR(inet_ntoa(a));
    SHOW(inet_aton("1.2", &a));
    STR(inet_ntoa(a));
    SHOW(inet_aton("0x7f000001", &a));
    STR(inet_ntoa(a));
    SHOW(inet_aton("256.1.1.1", &a));
    SHOW(inet_pton(AF_INET, "1.2", &a));
    SHOW(inet_pton(AF_INET6, "fe80::1:2", six));
    STR(inet_ntop(AF_INET6, six, b, sizeof b));
    SHOW(inet_pton(AF_INET6, "::ffff:1.2.3.4", six));
    STR(inet_ntop(AF_INET6, six, b, sizeof b));
    PTR(inet_ntop(AF_INET6, six, b, 4));
    SHOW(inet_pton(99, "1", six));
    VAL(inet_addr("1.2.3.4") == htonl(0x01020304));
    VAL(inet_addr("x") == INADDR_NONE);
    VAL(htons(0x1234) == 0x3412);
    return 0;
}
