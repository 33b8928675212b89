/* getaddrinfo and its kin. Numbers and `localhost` are answered here; other names are programs of the cell and are asked
 * of the runtime. There is no services database: a service is a port number. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replicode_sock_v1.h"

enum { MAX_ADDRESSES = 16 };

/* What one lookup found; `family` tells which array counts. */
struct found {
    int family;
    int count;
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

static int parse_port(const char *service, uint16_t *port) {
    unsigned value = 0;
    *port = 0;
    if (service == NULL)
        return 0;
    if (*service == '\0')
        return EAI_SERVICE;
    for (const char *p = service; *p; p++) {
        if (*p < '0' || *p > '9')
            return EAI_SERVICE;
        value = value * 10 + (unsigned)(*p - '0');
        if (value > 65535)
            return EAI_SERVICE;
    }
    *port = htons((uint16_t)value);
    return 0;
}

static void use_v4(struct found *found, in_addr_t host_order) {
    found->family = AF_INET;
    found->count = 1;
    found->v4[0].s_addr = htonl(host_order);
}

static int resolve(const char *name, int flags, struct found *found) {
    if (strcmp(name, "localhost") == 0 && !(flags & AI_NUMERICHOST)) {
        use_v4(found, INADDR_LOOPBACK);
        return 0;
    }
    if (flags & AI_NUMERICHOST)
        return EAI_NONAME;
    int n = replicode_sock_resolve(name, strlen(name), found->v4, MAX_ADDRESSES);
    if (n == 0 || n == -ENOENT)
        return EAI_NONAME;
    if (n < 0) {
        errno = -n;
        return n == -EAGAIN ? EAI_AGAIN : EAI_SYSTEM;
    }
    found->family = AF_INET;
    found->count = n;
    return 0;
}

static int find(const char *node, int flags, int family, struct found *found) {
    if (node == NULL && family == AF_INET6) {
        found->family = AF_INET6;
        found->count = 1;
        found->v6 = flags & AI_PASSIVE ? in6addr_any : in6addr_loopback;
        return 0;
    }
    if (node == NULL) {
        use_v4(found, flags & AI_PASSIVE ? INADDR_ANY : INADDR_LOOPBACK);
        return 0;
    }
    if (inet_aton(node, &found->v4[0])) {
        found->family = AF_INET;
        found->count = 1;
        return 0;
    }
    if (inet_pton(AF_INET6, node, &found->v6) == 1) {
        found->family = AF_INET6;
        found->count = 1;
        return 0;
    }
    return resolve(node, flags, found);
}

static struct node *make_node(const struct found *found, int i, int socktype, uint16_t port) {
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->info.ai_family = found->family;
    node->info.ai_socktype = socktype;
    node->info.ai_protocol = socktype == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
    node->info.ai_addr = (struct sockaddr *)&node->addr;
    if (found->family == AF_INET) {
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

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict result) {
    const struct addrinfo none = {0};
    struct found found = {0};
    struct addrinfo *first = NULL, **tail = &first;
    uint16_t port;
    int error;

    if (hints == NULL)
        hints = &none;
    if (name == NULL && service == NULL)
        return EAI_NONAME;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET && hints->ai_family != AF_INET6)
        return EAI_FAMILY;
    if (hints->ai_socktype != 0 && hints->ai_socktype != SOCK_STREAM && hints->ai_socktype != SOCK_DGRAM)
        return EAI_SOCKTYPE;
    if ((error = parse_port(service, &port)) != 0)
        return error;
    if ((error = find(name, hints->ai_flags, hints->ai_family, &found)) != 0)
        return error;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != found.family)
        return EAI_NONAME;

    for (int i = 0; i < found.count; i++) {
        struct node *node = make_node(&found, i, hints->ai_socktype ? hints->ai_socktype : SOCK_STREAM, port);
        if (node == NULL) {
            freeaddrinfo(first);
            return EAI_MEMORY;
        }
        *tail = &node->info;
        tail = &node->info.ai_next;
    }
    if ((hints->ai_flags & AI_CANONNAME) && name != NULL && (first->ai_canonname = strdup(name)) == NULL) {
        freeaddrinfo(first);
        return EAI_MEMORY;
    }
    *result = first;
    return 0;
}

void freeaddrinfo(struct addrinfo *info) {
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        free(info->ai_canonname);
        free(info); /* the first member of its struct node */
        info = next;
    }
}

const char *gai_strerror(int error) {
    switch (error) {
    case 0: return "no error";
    case EAI_BADFLAGS: return "invalid flags";
    case EAI_NONAME: return "unknown name or service";
    case EAI_AGAIN: return "temporary failure in name lookup";
    case EAI_FAIL: return "failure in name lookup";
    case EAI_NODATA: return "name has no address";
    case EAI_FAMILY: return "address family not supported";
    case EAI_SOCKTYPE: return "socket type not supported";
    case EAI_SERVICE: return "service is not a port number";
    case EAI_MEMORY: return "out of memory";
    case EAI_SYSTEM: return "system error";
    case EAI_OVERFLOW: return "result does not fit";
    default: return "unknown error";
    }
}

/* Always numeric: nothing maps addresses back to names. */
int getnameinfo(const struct sockaddr *restrict addr, socklen_t len, char *restrict host, socklen_t host_len,
                char *restrict service, socklen_t service_len, int flags) {
    const void *bytes;
    uint16_t port;

    if (addr->sa_family == AF_INET && len >= 8) {
        bytes = &((const struct sockaddr_in *)addr)->sin_addr;
        port = ntohs(((const struct sockaddr_in *)addr)->sin_port);
    } else if (addr->sa_family == AF_INET6 && len >= (socklen_t)sizeof(struct sockaddr_in6)) {
        bytes = &((const struct sockaddr_in6 *)addr)->sin6_addr;
        port = ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    } else {
        return EAI_FAMILY;
    }
    if (flags & NI_NAMEREQD)
        return EAI_NONAME;
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
