/* echo: a single-threaded TCP echo server built on poll.
 *
 *   echo [PORT]        default 7
 *
 * Half-close aware: it echoes until the client's end of file, finishes writing what it owes, then closes. A client that
 * does not read stops being read, so one buffer per connection is all the memory it can take. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#ifndef __wasi__
#include <signal.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024 };

struct conn {
    size_t start, end; /* bytes still to be written are buffer[start..end] */
    int eof;
    char buffer[BUFFER];
};

/* Entry 0 is the listener; fds[i] belongs to conns[i]. */
static struct pollfd *fds;
static struct conn **conns;
static size_t count, capacity;
static int listener;

static void die(const char *what) {
    fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int listen_on(uint16_t port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    if (fd < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
        die("setsockopt SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        die("bind");
    if (listen(fd, 1024) != 0)
        die("listen");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl O_NONBLOCK");
    return fd;
}

static void add(int fd, short events, struct conn *conn) {
    if (count == capacity) {
        capacity = capacity ? capacity * 2 : 64;
        fds = realloc(fds, capacity * sizeof *fds);
        conns = realloc(conns, capacity * sizeof *conns);
        if (fds == NULL || conns == NULL)
            die("out of memory");
    }
    fds[count] = (struct pollfd){.fd = fd, .events = events};
    conns[count++] = conn;
}

static void drop(size_t i) {
    close(fds[i].fd);
    fds[0].fd = listener; /* a descriptor is free again */
    free(conns[i]);
    count--;
    fds[i] = fds[count];
    conns[i] = conns[count];
}

static void accept_all(void) {
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                fds[0].fd = -1; /* no descriptor left: poll must not report the listener until one is closed */
            return;
        }
        struct conn *conn = calloc(1, sizeof *conn);
        if (conn == NULL || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
            free(conn);
            close(fd);
            continue;
        }
        add(fd, POLLIN, conn);
    }
}

/* Moves what can be moved; 0 when the connection is finished. Reads only into an empty buffer: one read, one write. */
static int serve(struct pollfd *pfd, struct conn *conn) {
    if (conn->start == conn->end && !conn->eof) {
        ssize_t n = read(pfd->fd, conn->buffer, BUFFER);
        if (n < 0)
            return errno == EAGAIN;
        conn->start = 0;
        conn->end = (size_t)n;
        conn->eof = n == 0;
    }
    if (conn->start < conn->end) {
        ssize_t n = write(pfd->fd, conn->buffer + conn->start, conn->end - conn->start);
        if (n < 0 && errno != EAGAIN)
            return 0;
        if (n > 0)
            conn->start += (size_t)n;
    }
    pfd->events = conn->start < conn->end ? POLLOUT : POLLIN;
    return !(conn->eof && conn->start == conn->end);
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 7;
    if (port <= 0 || port > 65535) {
        fprintf(stderr, "usage: echo [PORT]\n");
        return 2;
    }
#ifndef __wasi__
    signal(SIGPIPE, SIG_IGN);
#endif
    listener = listen_on((uint16_t)port);
    add(listener, POLLIN, NULL);
    printf("echo: listening on port %d\n", port);
    fflush(stdout);

    for (;;) {
        if (poll(fds, (nfds_t)count, -1) < 0 && errno != EINTR)
            die("poll");
        /* Downwards, because drop moves the last entry into the hole: it was handled already. */
        for (size_t i = count; i-- > 1;)
            if (fds[i].revents != 0 && !serve(&fds[i], conns[i]))
                drop(i);
        if (fds[0].revents != 0)
            accept_all();
    }
}
