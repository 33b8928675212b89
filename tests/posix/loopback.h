/* A connection over the loopback, for programs that are about what comes after. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <netinet/in.h>
#include <sys/socket.h>

/* Listens at a free port and connects to it; the connection waits to be accepted. */
static void loopback(int *listener, int *client) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    bind(*listener, (struct sockaddr *)&a, sizeof a);
    listen(*listener, 5);
    getsockname(*listener, (struct sockaddr *)&a, &len);
    connect(*client, (struct sockaddr *)&a, sizeof a);
}

#endif
