/* endings: a server that ends each connection in the way its client asks for with the first byte.
 *
 *   endings PORT WAITING     PORT takes requests; clients of WAITING wait in a backlog of 5 until they are asked for
 *
 * Natively and in a cell a client must see the same: the bytes of the answer, and then an end or a reset. It reads one
 * byte of a request and no more, unless the way says so. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#ifndef __wasi__
#include <signal.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "begin.h"

enum { LONG = 1 << 20 };

static char answer[LONG];

static void say(int fd, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, answer + sent, size - sent, 0);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

/* Reads to the end of what comes. */
static void read_all(int fd) {
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

/* Reads what a request of a known length still has. */
static void read_rest(int fd) {
    char bytes[1000];
    recv(fd, bytes, sizeof bytes, MSG_WAITALL);
}

static int keepalive(int fd, int idle) {
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) ||
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) ||
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof one) ||
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &one, sizeof one);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: endings PORT WAITING\n");
        return 2;
    }
#ifndef __wasi__
    signal(SIGPIPE, SIG_IGN);
#endif
    for (size_t i = 0; i < LONG; i++)
        answer[i] = (char)('a' + i % 23);
    int listener = listen_on(atoi(argv[1]), 128), waiting = listen_on(atoi(argv[2]), 5);
    printf("endings: ready\n");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char way = 0;
        if (fd < 0 || recv(fd, &way, 1, 0) != 1) {
            close(fd);
            continue;
        }
        switch (way) {
        case 'a': read_rest(fd); say(fd, 12); break;                            /* all read */
        case 'b': say(fd, 12); break;                                           /* unread bytes */
        case 'c': say(fd, LONG); break;                                         /* the same, a long answer */
        case 'd': say(fd, 12); shutdown(fd, SHUT_WR); break;                    /* the end first, then unread bytes */
        case 'e': say(fd, LONG); shutdown(fd, SHUT_WR); break;
        case 'f': read_rest(fd); say(fd, LONG); break;
        case 'g': break;                                                        /* not a word */
        case 'h': read_rest(fd); break;
        case 'i': read_rest(fd); say(fd, 12); shutdown(fd, SHUT_RDWR); continue; /* the descriptor stays open */
        case 'j': say(fd, 12); shutdown(fd, SHUT_WR); read_all(fd); break;
        case 'k': say(fd, 12); shutdown(fd, SHUT_RD); break;
        case 'l': read_all(fd); say(fd, 12); break;                             /* the client has ended first */
        case 'm':                                                               /* those who wait are not wanted */
            close(waiting);
            waiting = listen_on(atoi(argv[2]), 5);
            say(fd, 12);
            break;
        case 'n': say(fd, 12); exit(7);
        case 'o': say(fd, LONG); exit(7);
        case 'p': say(fd, LONG); __builtin_trap();
        case 'q':                                                               /* those who wait get a word each */
            for (int n = 0; n < 20; n++) {
                int other = accept(waiting, NULL, NULL);
                say(other, 12);
                close(other);
            }
            break;
        case 'r':                                                               /* asks whether the client is there */
            say(fd, keepalive(fd, 1) == 0 ? 12 : 1);
            read_all(fd);
            continue;
        default: say(fd, 1); break;
        }
        close(fd);
    }
}
