/* Services and protocols by name and number. */
#include "show.h"
#include <arpa/inet.h>
#include <netdb.h>

int main(void) {
    struct protoent *p = getprotobyname("tcp");
    VAL(p != NULL && p->p_proto == 6);
    PTR(getprotobyname("nothing"));
    struct servent *s = getservbyname("http", "tcp");
    VAL(s != NULL && ntohs(s->s_port) == 80);
    s = getservbyport(htons(443), "tcp");
    STR(s == NULL ? NULL : s->s_name);
    VAL(getservbyname("no-such-service", "tcp") == NULL);
    STR(hstrerror(HOST_NOT_FOUND));
    STR(hstrerror(TRY_AGAIN));
    return 0;
}
