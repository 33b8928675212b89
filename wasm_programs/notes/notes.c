/* notes: a server that keeps notes in files and drafts in memory, and gives up when memory is full.
 *
 *   notes [PORT] [--doomed]        default 7000; with --doomed it fails at once
 *
 * Commands, one per line; each is answered by one line:
 *
 *   put NAME TEXT    writes a note           ok
 *   get NAME         reads it                its text, or "none"
 *   hold KIB         keeps a draft           how many KiB are kept in all
 *
 * A draft for which there is no memory ends the program with exit code 1, as many a server does. When it is started again,
 * drafts are gone and notes are there. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 16, LINE = 1024 };

struct client {
    int fd;
    size_t len;
    char line[LINE];
};

/* Listed, or the compiler would see that nobody needs them. */
struct draft {
    struct draft *next;
};

static struct client clients[CLIENTS];
static struct draft *volatile drafts;
static int count;
static long held;

static void die(const char *what) {
    fprintf(stderr, "notes: %s: %s\n", what, strerror(errno));
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
    if (listen(fd, 64) != 0)
        die("listen");
    return fd;
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(name, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        die(name);
}

static void get(const char *name, char *answer, size_t size) {
    FILE *file = fopen(name, "r");
    snprintf(answer, size, "none");
    if (file) {
        if (!fgets(answer, (int)size, file))
            answer[0] = 0;
        fclose(file);
    }
}

static void hold(long kib) {
    struct draft *draft = kib > 0 ? malloc((size_t)kib << 10) : NULL;
    if (!draft)
        die("no memory for a draft");
    memset(draft, 'x', (size_t)kib << 10);
    draft->next = drafts;
    drafts = draft;
    held += kib;
}

static void answer(int fd, char *line) {
    char text[LINE] = "what?";
    char *name = strchr(line, ' ');
    if (name)
        *name++ = 0;
    char *rest = name ? strchr(name, ' ') : NULL;
    if (rest)
        *rest++ = 0;
    if (rest && !strcmp(line, "put")) {
        put(name, rest);
        snprintf(text, sizeof text, "ok");
    } else if (name && !strcmp(line, "get")) {
        get(name, text, sizeof text - 1);
    } else if (name && !strcmp(line, "hold")) {
        hold(atol(name));
        snprintf(text, sizeof text, "%ld", held);
    }
    strcat(text, "\n");
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* 0 when the connection is over. */
static int serve(struct client *client) {
    ssize_t n = recv(client->fd, client->line + client->len, LINE - 1 - client->len, 0);
    if (n <= 0)
        return 0;
    client->len += (size_t)n;
    client->line[client->len] = 0;
    for (char *end; (end = strchr(client->line, '\n'));) {
        size_t used = (size_t)(end - client->line) + 1;
        *end = 0;
        answer(client->fd, client->line);
        memmove(client->line, client->line + used, client->len - used + 1);
        client->len -= used;
    }
    return client->len < LINE - 1;
}

int main(int argc, char **argv) {
    int port = 7000;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--doomed")) {
            fprintf(stderr, "notes: doomed\n");
            return 1;
        }
        port = atoi(argv[i]);
    }
    int listener = listen_on((uint16_t)port);
    for (;;) {
        struct pollfd polled[CLIENTS + 1] = {{.fd = listener, .events = count < CLIENTS ? POLLIN : 0}};
        for (int i = 0; i < count; i++)
            polled[i + 1] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        int before = count;
        if (poll(polled, (nfds_t)before + 1, -1) < 0)
            die("poll");
        if (polled[0].revents) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0)
                clients[count++] = (struct client){.fd = fd};
        }
        for (int i = before; i > 0; i--) {
            if (polled[i].revents && !serve(&clients[i - 1])) {
                close(clients[i - 1].fd);
                clients[i - 1] = clients[--count];
            }
        }
    }
}
