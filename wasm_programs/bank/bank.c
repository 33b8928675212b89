/* bank: a server that keeps its users' balances in a token, a contract of the cell that it runs in.
 *
 *   bank [PORT]                       default 7000
 *
 * Commands, one per line; each is answered by one line:
 *
 *   token ADDRESS                     the contract: 40 hexadecimal digits            ok
 *   pay NUMBER FROM TO AMOUNT         FROM pays TO                                   ok | refused | again
 *   has USER                          what somebody has                              a number
 *   root                              the cell's contracts after the last batch      64 hexadecimal digits
 *
 * What is none of these is answered `what?`. Every user numbers what it pays, from 1 on. A client whose connection breaks asks again with
 * the old number, on any node: a payment that was made is answered `again`, and made once. The numbers live as long as the process: one that
 * is started again after it has ended begins with 1 for everybody. Who needs more keeps the number in the contract.
 *
 * The bank holds no money and no lock: a payment is a transaction of its user, executed in the batch in which it came, and its receipt is
 * there before the answer is sent. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <replicode_contract_v1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 64, LINE = 512, USERS = 256, NAME = 32, VIEWED = 64 << 10, GAS = 10000000 };

struct client {
    int fd;
    size_t len;
    char line[LINE];
};

struct user {
    char name[NAME];
    uint8_t address[REPLICODE_ADDRESS];
    uint64_t paid;
};

static struct client clients[CLIENTS];
static struct user users[USERS];
static int count, known;
static uint8_t token[REPLICODE_ADDRESS];
static uint8_t viewed[VIEWED];

static void die(const char *what) {
    fprintf(stderr, "bank: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A result of the cell's contracts. Where it is an error this program is wrong, or runs in a cell without them. */
static int32_t must(int32_t result, const char *what) {
    if (result < 0) {
        errno = -result;
        die(what);
    }
    return result;
}

/* None where there is no room for another one, or the name is no text. */
static struct user *user_of(const char *name) {
    for (int i = 0; i < known; i++)
        if (!strcmp(users[i].name, name))
            return &users[i];
    if (known == USERS || strlen(name) >= NAME)
        return NULL;
    struct user *user = &users[known];
    int32_t result = replicode_contract_address(name, (uint32_t)strlen(name), user->address);
    if (result == -EILSEQ)
        return NULL;
    must(result, "address");
    strcpy(user->name, name);
    known++;
    return user;
}

static int set_token(const char *hex) {
    for (int i = 0; i < REPLICODE_ADDRESS; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return 0;
        token[i] = (uint8_t)byte;
    }
    return 1;
}

/* Waits for a receipt, however long it is: whether it says that all went well. */
static int succeeded(uint32_t ticket) {
    uint32_t size = (uint32_t)must(replicode_contract_wait(ticket, NULL, 0, 0), "wait");
    uint8_t *receipt = malloc(size);
    if (!receipt)
        die("malloc");
    must(replicode_contract_wait(ticket, receipt, size, 0), "wait");
    int success = replicode_contract_success(receipt);
    free(receipt);
    return success;
}

static const char *pay(uint64_t number, const char *from, const char *to, uint64_t amount) {
    struct user *payer = user_of(from), *payee = user_of(to);
    uint8_t account[REPLICODE_ACCOUNT], arguments[REPLICODE_ADDRESS + 16], transaction[512];
    if (!payer || !payee)
        return "too many users, or no name";
    if (number <= payer->paid)
        return "again";
    if (number != payer->paid + 1)
        return "a number is missing";
    must(replicode_contract_account(payer->address, account, sizeof account), "account");
    uint64_t nonce = 0;
    for (int i = 7; i >= 0; i--)
        nonce = nonce << 8 | account[i];
    memcpy(arguments, payee->address, REPLICODE_ADDRESS);
    replicode_contract_put(arguments + REPLICODE_ADDRESS, amount, 16);
    uint32_t len = replicode_contract_call(transaction, from, payer->address, nonce, GAS, token, "transfer", arguments, sizeof arguments);
    int32_t ticket = must(replicode_contract_submit(transaction, len, -1), "submit");
    if (!succeeded((uint32_t)ticket))
        return "refused";
    payer->paid = number;
    return "ok";
}

static void has(const char *name, char *text, size_t size) {
    struct user *user = user_of(name);
    if (!user) {
        snprintf(text, size, "too many users, or no name");
        return;
    }
    int32_t len = replicode_contract_view(token, "balance_of", 10, user->address, REPLICODE_ADDRESS, GAS, viewed, sizeof viewed);
    /* Anybody says which contract it is: one that answers more than there is room for is no token. */
    if (len != -ERANGE)
        must(len, "view");
    uint64_t amount = 0;
    for (int i = 8; i > 0; i--)
        amount = amount << 8 | viewed[i];
    if (len == 17 && viewed[0] == 1)
        snprintf(text, size, "%llu", (unsigned long long)amount);
    else
        snprintf(text, size, "no such token");
}

static void root(char *text) {
    uint8_t bytes[REPLICODE_ROOT];
    must(replicode_contract_state_root(bytes), "state_root");
    for (int i = 0; i < 32; i++)
        sprintf(text + 2 * i, "%02x", bytes[8 + i]);
}

static void answer(int fd, const char *line) {
    char text[LINE] = "what?", from[NAME], to[NAME], hex[48];
    unsigned long long number, amount;
    if (sscanf(line, "pay %llu %31s %31s %llu", &number, from, to, &amount) == 4)
        snprintf(text, sizeof text, "%s", pay(number, from, to, amount));
    else if (sscanf(line, "has %31s", from) == 1)
        has(from, text, sizeof text);
    else if (sscanf(line, "token %40[0-9a-f]", hex) == 1 && strlen(hex) == 40 && set_token(hex))
        snprintf(text, sizeof text, "ok");
    else if (!strcmp(line, "root"))
        root(text);
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

int main(int argc, char **argv) {
    int listener = listen_on(argc > 1 ? (uint16_t)atoi(argv[1]) : 7000);
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
