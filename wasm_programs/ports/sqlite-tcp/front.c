// SQLite over TCP: every line that a client sends is executed with sqlite3_exec; the answer is the rows, their columns
// separated by `|`, and then a line `ok` or `error MESSAGE`. One thread, one poll; a client's line waits for the one before.
//
//     sqlite-tcp PORT DATABASE [PRAGMA...]
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct text {
    char *bytes;
    size_t used, room;
};

struct client {
    int fd;
    struct text in, out;
};

static struct client clients[1024];
static struct pollfd polls[1025];
static int count;

static void fail(const char *what) {
    fprintf(stderr, "sqlite-tcp: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(struct text *text, const char *bytes, size_t length) {
    if (text->used + length > text->room) {
        text->room = 2 * (text->used + length);
        text->bytes = realloc(text->bytes, text->room);
        if (!text->bytes) fail("out of memory");
    }
    memcpy(text->bytes + text->used, bytes, length);
    text->used += length;
}

static void drop(struct text *text, size_t length) {
    text->used -= length;
    if (text->used) memmove(text->bytes, text->bytes + length, text->used);
}

static int row(void *out, int columns, char **values, char **names) {
    (void)names;
    for (int i = 0; i < columns; i++) {
        if (i) add(out, "|", 1);
        add(out, values[i] ? values[i] : "NULL", values[i] ? strlen(values[i]) : 4);
    }
    add(out, "\n", 1);
    return 0;
}

static void execute(sqlite3 *db, char *line, struct text *out) {
    char *problem = NULL;
    if (sqlite3_exec(db, line, row, out, &problem) == SQLITE_OK) {
        add(out, "ok\n", 3);
    } else {
        add(out, "error ", 6);
        add(out, problem ? problem : "?", problem ? strlen(problem) : 1);
        add(out, "\n", 1);
    }
    sqlite3_free(problem);
}

// False when the client is gone.
static int serve(sqlite3 *db, struct client *client, short events) {
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        char piece[16384];
        ssize_t got = read(client->fd, piece, sizeof piece);
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return 0;
        add(&client->in, piece, (size_t)got);
        size_t done = 0;
        char *end;
        while ((end = memchr(client->in.bytes + done, '\n', client->in.used - done))) {
            *end = 0;
            execute(db, client->in.bytes + done, &client->out);
            done = (size_t)(end - client->in.bytes) + 1;
        }
        drop(&client->in, done);
    }
    if (client->out.used) {
        ssize_t sent = write(client->fd, client->out.bytes, client->out.used);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        drop(&client->out, (size_t)sent);
    }
    return 1;
}

static void forget(int i) {
    close(clients[i].fd);
    free(clients[i].in.bytes);
    free(clients[i].out.bytes);
    clients[i] = clients[--count];
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: sqlite-tcp PORT DATABASE [PRAGMA...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    sqlite3 *db;
    if (sqlite3_open(argv[2], &db) != SQLITE_OK) {
        fprintf(stderr, "sqlite-tcp: %s: %s\n", argv[2], sqlite3_errmsg(db));
        return 1;
    }
    for (int i = 3; i < argc; i++) sqlite3_exec(db, argv[i], NULL, NULL, NULL);
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0)
        fail("cannot listen");
    for (;;) {
        int watched = count;
        polls[watched] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int i = 0; i < count; i++)
            polls[i] = (struct pollfd){.fd = clients[i].fd, .events = (short)(POLLIN | (clients[i].out.used ? POLLOUT : 0))};
        if (poll(polls, (nfds_t)watched + 1, -1) < 0 && errno != EINTR) fail("poll");
        for (int i = watched; i-- > 0;)
            if (polls[i].revents && !serve(db, &clients[i], polls[i].revents)) forget(i);
        if (polls[watched].revents & POLLIN) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0 && count == 1024) close(fd);
            else if (fd >= 0) clients[count++] = (struct client){.fd = fd};
        }
    }
}
