/* Services and protocols: the well-known ones of /etc/services and /etc/protocols that servers ask for. */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "internal.h"

static const struct {
    const char *name;
    unsigned short port;
    char tcp, udp;
} SERVICES[] = {
    {"echo", 7, 1, 1},      {"discard", 9, 1, 1},   {"daytime", 13, 1, 1}, {"ftp", 21, 1, 0},     {"ssh", 22, 1, 0},
    {"telnet", 23, 1, 0},   {"smtp", 25, 1, 0},     {"time", 37, 1, 1},    {"domain", 53, 1, 1},  {"http", 80, 1, 0},
    {"pop3", 110, 1, 0},    {"ntp", 123, 0, 1},     {"imap2", 143, 1, 0},  {"snmp", 161, 1, 1},   {"irc", 194, 1, 1},
    {"ldap", 389, 1, 1},    {"https", 443, 1, 1},   {"submission", 587, 1, 0}, {"ldaps", 636, 1, 1}, {"imaps", 993, 1, 0},
    {"pop3s", 995, 1, 0},   {"mysql", 3306, 1, 0},  {"postgresql", 5432, 1, 0}, {"redis", 6379, 1, 0}, {"ircd", 6667, 1, 0},
    {"mqtt", 1883, 1, 0},   {"http-alt", 8080, 1, 1},
};
enum { COUNT = sizeof SERVICES / sizeof SERVICES[0] };

static char *no_aliases[1];

static int offers(int i, const char *protocol) {
    return protocol == NULL || (SERVICES[i].tcp && strcmp(protocol, "tcp") == 0) ||
           (SERVICES[i].udp && strcmp(protocol, "udp") == 0);
}

static struct servent *fill(struct servent *out, int i, const char *protocol) {
    out->s_name = (char *)SERVICES[i].name;
    out->s_aliases = no_aliases;
    out->s_port = htons(SERVICES[i].port);
    out->s_proto = (char *)(protocol != NULL ? protocol : SERVICES[i].tcp ? "tcp" : "udp");
    return out;
}

int __libposix_service(const char *name, const char *protocol) {
    for (int i = 0; i < COUNT; i++)
        if (strcmp(SERVICES[i].name, name) == 0 && offers(i, protocol))
            return SERVICES[i].port;
    return -1;
}

static struct servent the_service;

struct servent *getservbyname(const char *name, const char *protocol) {
    for (int i = 0; i < COUNT; i++)
        if (strcmp(SERVICES[i].name, name) == 0 && offers(i, protocol))
            return fill(&the_service, i, protocol);
    return NULL;
}

struct servent *getservbyport(int port, const char *protocol) {
    for (int i = 0; i < COUNT; i++)
        if (htons(SERVICES[i].port) == port && offers(i, protocol))
            return fill(&the_service, i, protocol);
    return NULL;
}

int getservbyname_r(const char *name, const char *protocol, struct servent *out, char *buffer, size_t room,
                    struct servent **found) {
    (void)buffer, (void)room;
    struct servent *service = getservbyname(name, protocol);
    *found = service == NULL ? NULL : out;
    if (service != NULL)
        *out = *service;
    return service == NULL ? ENOENT : 0;
}

int getservbyport_r(int port, const char *protocol, struct servent *out, char *buffer, size_t room,
                    struct servent **found) {
    (void)buffer, (void)room;
    struct servent *service = getservbyport(port, protocol);
    *found = service == NULL ? NULL : out;
    if (service != NULL)
        *out = *service;
    return service == NULL ? ENOENT : 0;
}

static int next_service, next_protocol;

void setservent(int stay) { (void)stay, next_service = 0; }

void endservent(void) { next_service = 0; }

struct servent *getservent(void) {
    return next_service < COUNT ? fill(&the_service, next_service++, NULL) : NULL;
}

static struct protoent PROTOCOLS[] = {
    {"ip", no_aliases, 0}, {"icmp", no_aliases, 1}, {"tcp", no_aliases, 6}, {"udp", no_aliases, 17}, {"ipv6", no_aliases, 41},
};
enum { PROTOCOL_COUNT = sizeof PROTOCOLS / sizeof PROTOCOLS[0] };

void setprotoent(int stay) { (void)stay, next_protocol = 0; }

void endprotoent(void) { next_protocol = 0; }

struct protoent *getprotoent(void) { return next_protocol < PROTOCOL_COUNT ? &PROTOCOLS[next_protocol++] : NULL; }

struct protoent *getprotobyname(const char *name) {
    for (int i = 0; i < PROTOCOL_COUNT; i++)
        if (strcmp(PROTOCOLS[i].p_name, name) == 0)
            return &PROTOCOLS[i];
    return NULL;
}

struct protoent *getprotobynumber(int number) {
    for (int i = 0; i < PROTOCOL_COUNT; i++)
        if (PROTOCOLS[i].p_proto == number)
            return &PROTOCOLS[i];
    return NULL;
}
