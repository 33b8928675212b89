/* The older calls of netdb.h: hosts by name and address, services and protocols by name and number. Hosts are numbers,
 * localhost and the programs of the cell; services and protocols are a small table. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

static int error_of_host;

int *__h_errno_location(void) { return &error_of_host; }

const char *hstrerror(int error) {
    switch (error) {
    case 0: return "Resolver Error 0 (no error)";
    case HOST_NOT_FOUND: return "Unknown host";
    case TRY_AGAIN: return "Host name lookup failure";
    case NO_RECOVERY: return "Unknown server error";
    case NO_DATA: return "No address associated with name";
    default: return "Unknown resolver error";
    }
}

void herror(const char *text) {
    fprintf(stderr, "%s%s%s\n", text != NULL ? text : "", text != NULL && text[0] != '\0' ? ": " : "",
            hstrerror(h_errno));
}

enum { MOST = 16 };

/* One host and all that it points to; a caller's buffer of the _r forms holds one. */
struct host {
    char *addresses[MOST + 1];
    char *aliases[1];
    unsigned char bytes[MOST][16];
    char name[256];
};

static int fill(struct host *host, struct hostent *out, const char *name, int family, int count) {
    int length = family == AF_INET ? 4 : 16;
    if (strlen(name) >= sizeof host->name)
        return ERANGE;
    strcpy(host->name, name);
    for (int i = 0; i < count; i++)
        host->addresses[i] = (char *)host->bytes[i];
    host->addresses[count] = NULL;
    host->aliases[0] = NULL;
    *out = (struct hostent){host->name, host->aliases, family, length, host->addresses};
    return 0;
}

int gethostbyname2_r(const char *name, int family, struct hostent *out, char *buffer, size_t room,
                     struct hostent **found, int *error) {
    size_t pad = -(uintptr_t)buffer % _Alignof(struct host);
    struct host *host = (struct host *)(void *)(buffer + pad);
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list;
    *found = NULL;
    *error = NO_RECOVERY;
    if (room < pad + sizeof *host)
        return ERANGE;
    int failure = getaddrinfo(name, NULL, &hints, &list);
    if (failure != 0) {
        *error = failure == EAI_NONAME || failure == EAI_NODATA ? HOST_NOT_FOUND
                 : failure == EAI_AGAIN                         ? TRY_AGAIN
                                                                : NO_RECOVERY;
        return failure == EAI_SYSTEM ? errno : 0;
    }
    int count = 0;
    for (struct addrinfo *at = list; at != NULL && count < MOST; at = at->ai_next)
        if (family == AF_INET)
            memcpy(host->bytes[count++], &((struct sockaddr_in *)at->ai_addr)->sin_addr, 4);
        else
            memcpy(host->bytes[count++], &((struct sockaddr_in6 *)at->ai_addr)->sin6_addr, 16);
    freeaddrinfo(list);
    failure = fill(host, out, name, family, count);
    if (failure == 0) {
        *found = out;
        *error = 0;
    }
    return failure;
}

int gethostbyname_r(const char *name, struct hostent *out, char *buffer, size_t room, struct hostent **found,
                    int *error) {
    return gethostbyname2_r(name, AF_INET, out, buffer, room, found, error);
}

int gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *out, char *buffer, size_t room,
                    struct hostent **found, int *error) {
    size_t pad = -(uintptr_t)buffer % _Alignof(struct host);
    struct host *host = (struct host *)(void *)(buffer + pad);
    static const unsigned char loopback4[] = {127, 0, 0, 1};
    *found = NULL;
    *error = NO_RECOVERY;
    if ((family != AF_INET || length != 4) && (family != AF_INET6 || length != 16))
        return EINVAL;
    if (room < pad + sizeof *host)
        return ERANGE;
    /* Only this address has a name that is known for it. */
    if (memcmp(address, family == AF_INET ? (const void *)loopback4 : &in6addr_loopback, length) != 0) {
        *error = HOST_NOT_FOUND;
        return 0;
    }
    memcpy(host->bytes[0], address, length);
    fill(host, out, "localhost", family, 1);
    *found = out;
    *error = 0;
    return 0;
}

static struct host the_host;
static struct hostent the_entry;

struct hostent *gethostbyname2(const char *name, int family) {
    struct hostent *found;
    gethostbyname2_r(name, family, &the_entry, (char *)&the_host, sizeof the_host, &found, &error_of_host);
    return found;
}

struct hostent *gethostbyname(const char *name) { return gethostbyname2(name, AF_INET); }

struct hostent *gethostbyaddr(const void *address, socklen_t length, int family) {
    struct hostent *found;
    gethostbyaddr_r(address, length, family, &the_entry, (char *)&the_host, sizeof the_host, &found, &error_of_host);
    return found;
}

void sethostent(int stay) { (void)stay; }

void endhostent(void) {}

struct hostent *gethostent(void) { return NULL; }

/* Networks have no names. */
void setnetent(int stay) { (void)stay; }

void endnetent(void) {}

struct netent *getnetent(void) { return NULL; }

struct netent *getnetbyname(const char *name) {
    (void)name;
    return NULL;
}

struct netent *getnetbyaddr(uint32_t net, int type) {
    (void)net, (void)type;
    return NULL;
}
