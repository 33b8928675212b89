/* The loopback interface. */
#include "show.h"
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void) {
    char name[IF_NAMESIZE];
    struct ifaddrs *list;
    VAL(if_nametoindex("lo") == 1);
    STR(if_indextoname(1, name));
    SHOW(if_nametoindex("missing"));
    SHOW(getifaddrs(&list));
    int found = 0;
    for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET && (i->ifa_flags & IFF_LOOPBACK))
            found += ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    VAL(found);
    freeifaddrs(list);
    return 0;
}
