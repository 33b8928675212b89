/* Network interfaces: one, the loopback. What connects a cell to the outside is not an interface of the program's. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

unsigned if_nametoindex(const char *name) {
    if (strcmp(name, "lo") == 0)
        return 1;
    errno = ENODEV;
    return 0;
}

char *if_indextoname(unsigned index, char *name) {
    if (index == 1)
        return strcpy(name, "lo");
    errno = ENXIO;
    return NULL;
}

struct if_nameindex *if_nameindex(void) {
    struct if_nameindex *list = calloc(2, sizeof *list);
    if (list != NULL)
        list[0] = (struct if_nameindex){1, "lo"};
    return list;
}

void if_freenameindex(struct if_nameindex *list) { free(list); }

/* Both addresses of the loopback in one piece of memory, which the first entry is the start of. */
struct both {
    struct ifaddrs entries[2];
    struct sockaddr_in address4, mask4;
    struct sockaddr_in6 address6, mask6;
};

int getifaddrs(struct ifaddrs **out) {
    struct both *both = calloc(1, sizeof *both);
    if (both == NULL)
        return fail(ENOMEM);
    both->address4.sin_family = both->mask4.sin_family = AF_INET;
    both->address4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    both->mask4.sin_addr.s_addr = htonl(0xff000000);
    both->address6.sin6_family = both->mask6.sin6_family = AF_INET6;
    both->address6.sin6_addr = in6addr_loopback;
    memset(&both->mask6.sin6_addr, 0xff, 16);
    both->entries[0].ifa_addr = (struct sockaddr *)&both->address4;
    both->entries[0].ifa_netmask = (struct sockaddr *)&both->mask4;
    both->entries[0].ifa_next = &both->entries[1];
    both->entries[1].ifa_addr = (struct sockaddr *)&both->address6;
    both->entries[1].ifa_netmask = (struct sockaddr *)&both->mask6;
    for (int i = 0; i < 2; i++) {
        both->entries[i].ifa_name = "lo";
        both->entries[i].ifa_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    }
    *out = both->entries;
    return 0;
}

void freeifaddrs(struct ifaddrs *list) { free(list); }
