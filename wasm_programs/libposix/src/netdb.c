/* getaddrinfo and its kin. Numbers and `localhost` are answered here; other names are programs of the cell and are asked
 * of the runtime. A service is a port number, or a name of the table in services.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replicode_sock_v1.h"

/* services.c: the port, or -1. */
int __libposix_service(const char *name, const char *protocol);

enum {
    MAX_ADDRESSES = 16,
    KNOWN_FLAGS = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_NUMERICSERV,
};

/* What one lookup found. */
struct found {
    int count4, count6;
    struct in_addr v4[MAX_ADDRESSES];
    struct in6_addr v6;
};

/* One result and the address it points to, so that one free() releases both. */
struct node {
    struct addrinfo info;
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr;
};

static int parse_port(const char *service, const struct addrinfo *hints, uint16_t *port) {
    unsigned value = 0;
    *port = 0;
    if (service == NULL)
        return 0;
    const char *p = service;
    for (; *p >= '0' && *p <= '9' && value <= 65535; p++)
        value = value * 10 + (unsigned)(*p - '0');
    if (*p != '\0' || p == service) {
        if (hints->ai_flags & AI_NUMERICSERV)
            return EAI_NONAME;
        int known = __libposix_service(service, hints->ai_socktype == SOCK_DGRAM    ? "udp"
                                                : hints->ai_socktype == SOCK_STREAM ? "tcp"
                                                                                    : NULL);
        if (known < 0)
            return EAI_SERVICE;
        value = known;
    }
    *port = htons((uint16_t)value); /* the low 16 bits, as elsewhere */
    return 0;
}

static void use_v4(struct found *found, in_addr_t host_order) {
    found->count4 = 1;
    found->v4[0].s_addr = htonl(host_order);
}

static void use_v6(struct found *found, struct in6_addr addr) {
    found->count6 = 1;
    found->v6 = addr;
}

static int resolve(const char *name, int flags, struct found *found) {
    if (flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (strcmp(name, "localhost") == 0) {
        use_v4(found, INADDR_LOOPBACK);
        use_v6(found, in6addr_loopback);
        return 0;
    }
    int n = replicode_sock_resolve(name, strlen(name), found->v4, MAX_ADDRESSES);
    if (n == 0 || n == -ENOENT)
        return EAI_NONAME;
    if (n < 0) {
        errno = -n;
        return n == -EAGAIN ? EAI_AGAIN : EAI_SYSTEM;
    }
    found->count4 = n;
    return 0;
}

static int find(const char *node, int flags, struct found *found) {
    if (node == NULL) {
        use_v4(found, flags & AI_PASSIVE ? INADDR_ANY : INADDR_LOOPBACK);
        use_v6(found, flags & AI_PASSIVE ? in6addr_any : in6addr_loopback);
        return 0;
    }
    if (inet_aton(node, &found->v4[0])) {
        found->count4 = 1;
        return 0;
    }
    if (inet_pton(AF_INET6, node, &found->v6) == 1) {
        found->count6 = 1;
        return 0;
    }
    return resolve(node, flags, found);
}

static struct node *make_node(const struct found *found, int family, int i, int socktype, uint16_t port) {
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->info.ai_family = family;
    node->info.ai_socktype = socktype;
    node->info.ai_protocol = socktype == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
    node->info.ai_addr = (struct sockaddr *)&node->addr;
    if (family == AF_INET) {
        node->info.ai_addrlen = sizeof node->addr.v4;
        node->addr.v4.sin_family = AF_INET;
        node->addr.v4.sin_port = port;
        node->addr.v4.sin_addr = found->v4[i];
    } else {
        node->info.ai_addrlen = sizeof node->addr.v6;
        node->addr.v6.sin6_family = AF_INET6;
        node->addr.v6.sin6_port = port;
        node->addr.v6.sin6_addr = found->v6;
    }
    return node;
}

/* Appends the nodes of one family. */
static int append(struct addrinfo ***tail, const struct found *found, int family, int socktype, uint16_t port) {
    int count = family == AF_INET ? found->count4 : found->count6;
    for (int i = 0; i < count; i++) {
        struct node *node = make_node(found, family, i, socktype, port);
        if (node == NULL)
            return EAI_MEMORY;
        **tail = &node->info;
        *tail = &node->info.ai_next;
    }
    return 0;
}

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict result) {
    const struct addrinfo none = {0};
    struct found found = {0};
    struct addrinfo *first = NULL, **tail = &first;
    uint16_t port;
    int error;

    if (hints == NULL)
        hints = &none;
    int family = hints->ai_family;
    if (name == NULL && service == NULL)
        return EAI_NONAME;
    if ((hints->ai_flags & ~KNOWN_FLAGS) || ((hints->ai_flags & AI_CANONNAME) && name == NULL))
        return EAI_BADFLAGS;
    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
        return EAI_FAMILY;
    if (hints->ai_socktype != 0 && hints->ai_socktype != SOCK_STREAM && hints->ai_socktype != SOCK_DGRAM)
        return EAI_SOCKTYPE;
    if ((error = parse_port(service, hints, &port)) != 0 || (error = find(name, hints->ai_flags, &found)) != 0)
        return error;
    int socktype = hints->ai_socktype ? hints->ai_socktype : SOCK_STREAM;
    if (family != AF_INET && (error = append(&tail, &found, AF_INET6, socktype, port)) != 0)
        goto failed;
    if (family != AF_INET6 && (error = append(&tail, &found, AF_INET, socktype, port)) != 0)
        goto failed;
    if (first == NULL) /* there is an address, of the other family */
        return name != NULL && (found.count4 == 0 || !inet_aton(name, &found.v4[0])) && found.count6 == 0 ? EAI_NODATA
                                                                                                         : EAI_ADDRFAMILY;
    if ((hints->ai_flags & AI_CANONNAME) && (first->ai_canonname = strdup(name)) == NULL) {
        error = EAI_MEMORY;
        goto failed;
    }
    *result = first;
    return 0;
failed:
    freeaddrinfo(first);
    return error;
}

void freeaddrinfo(struct addrinfo *info) {
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        free(info->ai_canonname);
        free(info); /* the first member of its struct node */
        info = next;
    }
}

/* In glibc's words: programs show them, and tests compare them. */
const char *gai_strerror(int error) {
    switch (error) {
    case EAI_ADDRFAMILY: return "Address family for hostname not supported";
    case EAI_AGAIN: return "Temporary failure in name resolution";
    case EAI_BADFLAGS: return "Bad value for ai_flags";
    case EAI_FAIL: return "Non-recoverable failure in name resolution";
    case EAI_FAMILY: return "ai_family not supported";
    case EAI_MEMORY: return "Memory allocation failure";
    case EAI_NODATA: return "No address associated with hostname";
    case EAI_NONAME: return "Name or service not known";
    case EAI_SERVICE: return "Servname not supported for ai_socktype";
    case EAI_SOCKTYPE: return "ai_socktype not supported";
    case EAI_SYSTEM: return "System error";
    default: return "Unknown error";
    }
}

/* Numeric, but for the loopback: nothing maps other addresses back to names. */
int getnameinfo(const struct sockaddr *restrict addr, socklen_t len, char *restrict host, socklen_t host_len,
                char *restrict service, socklen_t service_len, int flags) {
    const void *bytes;
    uint16_t port;

    if (addr->sa_family == AF_INET && len >= 8) {
        bytes = &((const struct sockaddr_in *)addr)->sin_addr;
        port = ntohs(((const struct sockaddr_in *)addr)->sin_port);
    } else if (addr->sa_family == AF_INET6 && len >= 28) {
        bytes = &((const struct sockaddr_in6 *)addr)->sin6_addr;
        port = ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    } else {
        return EAI_FAMILY;
    }
    int loopback = addr->sa_family == AF_INET ? *(const in_addr_t *)bytes == htonl(INADDR_LOOPBACK)
                                              : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)bytes);
    if (host != NULL && host_len > 0 && loopback && !(flags & NI_NUMERICHOST)) {
        if (strlcpy(host, "localhost", host_len) >= host_len)
            return EAI_OVERFLOW;
        host = NULL;
    }
    if (host != NULL && host_len > 0 && (flags & NI_NAMEREQD))
        return EAI_NONAME;
    struct servent *known;
    if (service != NULL && service_len > 0 && !(flags & NI_NUMERICSERV) &&
        (known = getservbyport(htons(port), flags & NI_DGRAM ? "udp" : "tcp")) != NULL) {
        if (strlcpy(service, known->s_name, service_len) >= service_len)
            return EAI_OVERFLOW;
        service = NULL;
    }
    if (host != NULL && host_len > 0 && inet_ntop(addr->sa_family, bytes, host, host_len) == NULL)
        return EAI_OVERFLOW;
    if (service != NULL && service_len > 0 && (socklen_t)snprintf(service, service_len, "%u", port) >= service_len)
        return EAI_OVERFLOW;
    return 0;
}

in_addr_t inet_addr(const char *text) {
    struct in_addr addr;
    return inet_aton(text, &addr) ? addr.s_addr : INADDR_NONE;
}

char *inet_ntoa(struct in_addr addr) {
    static char text[INET_ADDRSTRLEN];
    return (char *)inet_ntop(AF_INET, &addr, text, sizeof text);
}

in_addr_t inet_network(const char *text) { return ntohl(inet_addr(text)); }

/* Classes of networks, long out of use. */
static int host_bits(in_addr_t address) { return address >> 24 < 128 ? 24 : address >> 24 < 192 ? 16 : 8; }

struct in_addr inet_makeaddr(in_addr_t net, in_addr_t host) {
    int bits = net < 256 ? 24 : net < 65536 ? 16 : 8;
    return (struct in_addr){htonl(net << bits | host)};
}

in_addr_t inet_lnaof(struct in_addr address) {
    in_addr_t whole = ntohl(address.s_addr);
    return whole & ((1U << host_bits(whole)) - 1);
}

in_addr_t inet_netof(struct in_addr address) {
    in_addr_t whole = ntohl(address.s_addr);
    return whole >> host_bits(whole);
}
