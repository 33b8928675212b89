/* spin: an echo server that never waits. It asks every connection again and again with O_NONBLOCK reads, and poll with
 * timeout 0 on the listener.
 *
 *   spin [PORT]        default 7
 *
 * Natively it burns a processor. In replicode such a program gives up its turn after a number of fruitless calls, so that
 * the batch ends and new input can arrive; it must neither hang the cell nor miss a byte. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64, BUFFER = 4096 };

static int connections[MAX_CONNECTIONS];
static int count;

static void die(const char *what) {
    fprintf(stderr, "spin: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int set_nonblocking(int fd) { return fcntl(fd, F_SETFL, O_NONBLOCK); }

static int listen_on(uint16_t port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    if (fd < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
        die("setsockopt SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        die("bind");
    if (listen(fd, 16) != 0 || set_nonblocking(fd) != 0)
        die("listen");
    return fd;
}

/* 0 when the connection is over. */
static int echo_once(int fd) {
    char buffer[BUFFER];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0)
        return errno == EAGAIN;
    for (ssize_t done = 0; done < n;) {
        ssize_t sent = send(fd, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return 0;
        if (sent > 0)
            done += sent;
    }
    return n > 0;
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 7;
    if (port <= 0 || port > 65535) {
        fprintf(stderr, "usage: spin [PORT]\n");
        return 2;
    }
    int listener = listen_on((uint16_t)port);
    printf("spin: listening on port %d\n", port);
    fflush(stdout);

    for (;;) {
        struct pollfd pfd = {.fd = listener, .events = POLLIN};
        if (poll(&pfd, 1, 0) > 0 && count < MAX_CONNECTIONS) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0 && set_nonblocking(fd) == 0)
                connections[count++] = fd;
            else if (fd >= 0)
                close(fd);
        }
        for (int i = 0; i < count; i++)
            if (!echo_once(connections[i])) {
                close(connections[i]);
                connections[i--] = connections[--count];
            }
    }
}
