/* peers: a client that connects to another program by name, as programs of one cell do.
 *
 *   peers NAME PORT MESSAGE
 *
 * Looks NAME up, connects, sends MESSAGE, says it has no more (half-close), and prints everything that comes back. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connects to the first address that answers; -1 when none does. */
static int connect_to(const char *name, const char *port) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(name, port, &hints, &found), fd = -1;
    if (error != 0) {
        fprintf(stderr, "peers: cannot look up %s port %s: %s\n", name, port, gai_strerror(error));
        return -1;
    }
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            perror("peers: connect");
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static int send_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int main(int argc, char **argv) {
    char buffer[4096];
    ssize_t n;

    if (argc != 4) {
        fprintf(stderr, "usage: peers NAME PORT MESSAGE\n");
        return 2;
    }
    int fd = connect_to(argv[1], argv[2]);
    if (fd < 0)
        return 1;
    if (send_all(fd, argv[3], strlen(argv[3])) != 0 || shutdown(fd, SHUT_WR) != 0) {
        perror("peers: send");
        return 1;
    }
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        fwrite(buffer, 1, (size_t)n, stdout);
    if (n < 0) {
        perror("peers: recv");
        return 1;
    }
    putchar('\n');
    close(fd);
    return 0;
}
