/* kv: an in-memory key-value server that speaks RESP2, the protocol of Redis.
 *
 *   kv [--port N] [--max-bulk BYTES] [--max-request BYTES] [--max-output BYTES]
 *
 * One thread around poll. It makes as few system calls as it can: per round, each readable connection is read once into a
 * large buffer, all complete requests are answered into one buffer, and that is written once. Where the system call is
 * what costs, a pipelining client costs next to nothing. Nothing is done by timer unless keys with an expiry exist. */
#define _GNU_SOURCE /* accept4 */
#include "kv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_SIZE = 256 * 1024,    /* at most read from one connection in one round */
    REPLY_ROOM = 256,          /* kept free in an output buffer, so that every request can be answered by an error */
    LONGEST_LINE = 80 * 1024,  /* more than the parser waits for the end of a line */
    KEEP_SIZE = 16 * 1024,     /* an idle connection's buffers are freed above this */
    KEEP_ARGS = 1024,          /* as are the arguments of a request */
    EXPIRE_PER_ROUND = 10000,  /* keys deleted by time in one round, so that clients do not wait long */
    BACKLOG = 1024,
};

struct settings settings = {.port = 6379, .max_bulk = 64 << 20, .max_request = 512 << 20, .max_output = 1 << 20};
struct statistics statistics;

struct client {
    struct buffer in;  /* bytes received that are not a complete request, or wait for output to drain */
    struct parser parser;
    struct buffer out; /* out.data[sent..out.len] is not sent yet */
    size_t sent;
    bool paused;  /* too much unsent output: requests in `in` wait */
    bool closing; /* to be closed when all output is sent */
    bool broken;  /* to be closed now */
};

/* fds[0] is the listener; fds[i] belongs to clients[i]. The array is what poll takes and is only changed, never rebuilt. */
static struct pollfd *fds;
static struct client **clients;
static size_t count, capacity;
static int listener;

/* Shared by all connections, as one is handled at a time: input and output that do not have to wait never leave these. */
static char read_buffer[READ_SIZE];
static struct buffer write_buffer;

static void die(const char *what) {
    fprintf(stderr, "kv: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- requests to replies ----------------------------------------------------------------------------------------- */

static size_t unsent(const struct client *c) { return c->out.len - c->sent; }

static void note_http(void) {
    static int64_t last = INT64_MIN;
    if (last == INT64_MIN || clock_ms() - last >= 60000) {
        last = clock_ms();
        fprintf(stderr, "kv: a client speaks HTTP and was cut off: a web page may be attacking this port\n");
    }
}

static void run(struct client *c, const char *data, struct buffer *out) {
    static struct slice *argv;
    static size_t argv_cap;
    const struct parser *p = &c->parser;

    if (!p->skipping && p->argc > argv_cap) {
        release(argv);
        argv = try_alloc(p->argc * sizeof *argv);
        argv_cap = argv != NULL ? p->argc : 0;
    }
    if (p->skipping || p->argc > argv_cap) {
        reply_out_of_memory(out);
        return;
    }
    for (size_t i = 0; i < p->argc; i++)
        argv[i] = (struct slice){data + p->args[i].offset, p->args[i].len};
    struct request r = {.size = p->pos, .argc = p->argc, .argv = argv, .out = out};
    command_run(&r);
    if (argv_cap > KEEP_ARGS) {
        release(argv);
        argv = NULL;
        argv_cap = 0;
    }
    c->closing = r.quit;
    c->broken = r.abort;
    if (r.abort)
        note_http();
}

/* Answers the complete requests in data; returns how many bytes they took. Stops early when output piles up. */
static size_t answer(struct client *c, char *data, size_t len, struct buffer *out) {
    size_t done = 0;

    c->paused = false;
    while (!c->closing && !c->broken) {
        if (out->len - (out == &c->out ? c->sent : 0) >= settings.max_output) {
            c->paused = true;
            break;
        }
        enum parsed parsed = parse_request(&c->parser, data + done, len - done);
        if (parsed == PARSED_NEED_MORE) {
            if (c->parser.skipping) { /* what was passed over need not be kept */
                done += c->parser.pos;
                c->parser.pos = 0;
            }
            break;
        }
        if (!buffer_reserve(out, REPLY_ROOM)) {
            c->broken = true;
            break;
        }
        if (parsed == PARSED_ERROR) {
            reply_error(out, "ERR %s", c->parser.error);
            c->closing = true;
            break;
        }
        if (c->parser.argc > 0 || c->parser.skipping)
            run(c, data + done, out);
        done += c->parser.pos;
        parser_reset(&c->parser);
    }
    return done;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* One send; returns how much was taken, or -1 when the connection is broken. */
static ssize_t send_some(int fd, const char *data, size_t len) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n;
}

/* Sends what waits in c->out; false when the connection is broken. */
static bool flush(int fd, struct client *c) {
    ssize_t n = send_some(fd, c->out.data + c->sent, unsent(c));
    if (n < 0)
        return false;
    c->sent += (size_t)n;
    if (unsent(c) == 0) {
        c->out.len = c->sent = 0;
        if (c->out.cap > KEEP_SIZE)
            buffer_free(&c->out);
    }
    return true;
}

/* There is no memory for the request that begins in data: it is passed over from here on, and answered by an error when it
 * has come. False when that is not possible either. */
static bool skip_request(struct client *c, char *data, size_t len) {
    static char tail[LONGEST_LINE];
    if (c->paused || !parse_skip(&c->parser) || parse_request(&c->parser, data, len) != PARSED_NEED_MORE)
        return false;
    size_t rest = len - c->parser.pos; /* the beginning of a line */
    if (rest > sizeof tail)
        return false;
    memcpy(tail, data + c->parser.pos, rest);
    c->parser.pos = 0;
    buffer_free(&c->in);
    return buffer_append(&c->in, tail, rest);
}

/* Keeps data[done..len] for later; data may be c->in itself. False when there is no memory for that. */
static bool keep_rest(struct client *c, char *data, size_t len, size_t done) {
    size_t rest = len - done;
    if (data == c->in.data) {
        if (rest > 0)
            memmove(c->in.data, data + done, rest);
        c->in.len = rest;
        if (rest == 0 && c->in.cap > KEEP_SIZE)
            buffer_free(&c->in);
    } else {
        c->in.len = 0;
        if (rest == 0 && c->in.cap > KEEP_SIZE)
            buffer_free(&c->in);
        return buffer_append(&c->in, data + done, rest) || skip_request(c, data + done, rest);
    }
    return true;
}

/* Answers what is in data, and sends the answers, all in one go if possible; false when the connection is broken. */
static bool handle(int fd, struct client *c, char *data, size_t len) {
    if (unsent(c) > 0) { /* replies must queue behind those not sent yet */
        if (c->sent > c->out.len / 2) {
            memmove(c->out.data, c->out.data + c->sent, unsent(c));
            c->out.len -= c->sent;
            c->sent = 0;
        }
        size_t done = answer(c, data, len, &c->out);
        return !c->broken && keep_rest(c, data, len, done); /* poll says when there is room */
    }
    do {
        write_buffer.len = 0;
        size_t done = answer(c, data, len, &write_buffer);
        if (c->broken || !keep_rest(c, data, len, done))
            return false;
        if (write_buffer.len == 0)
            break;
        ssize_t n = send_some(fd, write_buffer.data, write_buffer.len);
        if (n < 0)
            return false;
        if ((size_t)n < write_buffer.len) { /* the connection takes the buffer: copying would need as much again */
            struct buffer empty = c->out;
            c->out = write_buffer;
            c->sent = (size_t)n;
            write_buffer = empty;
        }
        if (write_buffer.cap > 16 * settings.max_output || (memory_scarce() && write_buffer.cap > KEEP_SIZE))
            buffer_free(&write_buffer);
        data = c->in.data;
        len = c->in.len;
    } while (c->paused && unsent(c) == 0); /* it stopped for size only, and all of it was taken */
    return true;
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

/* Reads once and handles it; false when the connection is broken or the client ended it with nothing left to send. */
static bool receive(int fd, struct client *c) {
    char *data = read_buffer;
    size_t room = READ_SIZE, kept = c->in.len;

    if (kept <= READ_SIZE / 2) {
        /* The usual case. A little left over from before goes in front, and the connection needs no buffer of its own. */
        if (kept > 0)
            memcpy(read_buffer, c->in.data, kept);
        room -= kept;
    } else { /* a long value is on its way: read it where it will stay */
        if (buffer_reserve(&c->in, READ_SIZE)) {
            data = c->in.data;
            room = c->in.cap - kept;
        } else if (skip_request(c, c->in.data, kept)) {
            kept = c->in.len;
            memcpy(read_buffer, c->in.data, kept);
            room -= kept;
        } else {
            return false;
        }
    }
    ssize_t n = recv(fd, data + kept, room, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0) {
        c->closing = true; /* requests that came before were answered, and the client may still read */
        return unsent(c) > 0;
    }
    if (data == c->in.data)
        c->in.len += (size_t)n;
    return handle(fd, c, data, kept + (size_t)n) && !(c->closing && unsent(c) == 0);
}

/* Output drained: sends more, and goes on with requests that waited for it. */
static bool drain(int fd, struct client *c) {
    if (!flush(fd, c))
        return false;
    if (unsent(c) == 0 && c->paused && !c->closing && !handle(fd, c, c->in.data, c->in.len))
        return false;
    return !(c->closing && unsent(c) == 0);
}

static short wanted_events(const struct client *c) {
    bool may_read = !c->closing && !c->paused && unsent(c) < settings.max_output;
    return (short)((may_read ? POLLIN : 0) | (unsent(c) > 0 ? POLLOUT : 0));
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

/* False when there is no memory for another one. */
static bool add(int fd, short events, struct client *c) {
    if (count == capacity) {
        size_t more = capacity ? capacity * 2 : 64;
        struct pollfd *more_fds = try_alloc_again(fds, more * sizeof *fds);
        fds = more_fds ? more_fds : fds;
        struct client **more_clients = try_alloc_again(clients, more * sizeof *clients);
        clients = more_clients ? more_clients : clients;
        if (more_fds == NULL || more_clients == NULL)
            return false;
        capacity = more;
    }
    fds[count] = (struct pollfd){.fd = fd, .events = events};
    clients[count++] = c;
    return true;
}

static void drop(size_t i) {
    struct client *c = clients[i];
    close(fds[i].fd);
    buffer_free(&c->in);
    buffer_free(&c->out);
    parser_free(&c->parser);
    release(c);
    count--;
    fds[i] = fds[count];
    clients[i] = clients[count];
    fds[0].fd = listener; /* in case it was left out for want of descriptors */
    statistics.clients--;
}

static void accept_all(void) {
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                fds[0].fd = -1; /* poll would report the listener for ever; drop() puts it back */
            else if (errno == ECONNABORTED || errno == EINTR)
                continue;
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* only a matter of speed */
        struct client *c = try_alloc_zeroed(1, sizeof *c);
        if (c == NULL || !add(fd, POLLIN, c)) {
            release(c);
            close(fd);
            continue;
        }
        parser_reset(&c->parser);
        statistics.connections++;
        statistics.clients++;
    }
}

static int listen_on(uint16_t port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    if (fd < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
        die("setsockopt SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        die("bind");
    if (listen(fd, BACKLOG) != 0)
        die("listen");
    return fd;
}

static bool serve(size_t i) {
    struct client *c = clients[i];
    short ready = fds[i].revents;
    bool open = true;

    if (ready & POLLOUT)
        open = drain(fds[i].fd, c);
    /* After a hang-up or an error reading says what happened; if this client is not to be read, it is over. */
    if (open && (ready & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
        open = fds[i].events & POLLIN ? receive(fds[i].fd, c) : !(ready & (POLLHUP | POLLERR | POLLNVAL));
    if (open)
        fds[i].events = wanted_events(c);
    return open;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static size_t number(const char *option, const char *text, size_t max) {
    int64_t value = 0;
    if (text == NULL || !parse_int((struct slice){text, strlen(text)}, &value) || value < 1 || (uint64_t)value > max) {
        fprintf(stderr, "kv: %s wants a number from 1 to %zu\n", option, max);
        exit(2);
    }
    return (size_t)value;
}

static void read_arguments(int argc, char **argv) {
    for (int i = 1; i < argc; i += 2) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--port") == 0) {
            settings.port = (uint16_t)number(option, value, 65535);
        } else if (strcmp(option, "--max-bulk") == 0) {
            settings.max_bulk = number(option, value, 512 << 20);
        } else if (strcmp(option, "--max-request") == 0) {
            settings.max_request = number(option, value, 1 << 30);
        } else if (strcmp(option, "--max-output") == 0) {
            settings.max_output = number(option, value, 1 << 30);
        } else {
            fprintf(stderr, "usage: kv [--port N] [--max-bulk BYTES] [--max-request BYTES] [--max-output BYTES]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv) {
    read_arguments(argc, argv);
    map_seed();
    commands_init();
    listener = listen_on(settings.port);
    if (!add(listener, POLLIN, NULL))
        die("allocating");
    printf("kv: ready on port %u\n", (unsigned)settings.port);
    fflush(stdout);

    for (;;) {
        if (poll(fds, (nfds_t)count, expire_timeout()) < 0) {
            if (errno == EINTR)
                continue;
            die("poll");
        }
        clock_forget();
        expire_due(EXPIRE_PER_ROUND);
        /* Downwards, because drop() moves the last entry into the hole: that one was served already. */
        for (size_t i = count; i-- > 1;)
            if (fds[i].revents != 0 && !serve(i))
                drop(i);
        if (fds[0].revents != 0)
            accept_all();
    }
}
