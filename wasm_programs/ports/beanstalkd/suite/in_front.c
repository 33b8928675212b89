/* Puts beanstalkd's own tests, testserv.c, in front of a server in another process. Where they fork one and let it serve, the
   command in $SUITE_SERVER is run instead:

       $SUITE_SERVER PORT FOLDER [OPTION...]      serves on PORT until SIGTERM; the binlog, if any, is in FOLDER
       $SUITE_SERVER --sync FOLDER                brings into FOLDER what the server has written so far

   Linked with -Wl,--wrap for each function here; the tests themselves are not changed. */

#include "ct/ct.h"
#include "dat.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_make_server_socket(char *host, char *port);
int __real_connect(int fd, const struct sockaddr *address, socklen_t length);
int __real_stat(const char *path, struct stat *st);

/* A port that is taken and where nobody listens: the server binds it a second time. Not for the test that sends 1 GiB. */
int __wrap_make_server_socket(char *host, char *port) {
    if (strcmp(progname, "cttest_job_size_max_plus_1") == 0) return -1;
    if (strncmp(host, "unix:", 5) == 0) return __real_make_server_socket(host, port);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&any, sizeof any) == 0 ? fd : -1;
}

/* The server reads its binlog itself. */
void __wrap_srv_acquire_wal(Server *s) { (void)s; }

void __wrap_srvserve(Server *s) {
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    char port[16], size[32], filesize[32], rate[32], *words[16];
    int n = 0;
    getsockname(s->sock.fd, (struct sockaddr *)&own, &length);
    close(s->sock.fd);
    snprintf(port, sizeof port, "%d", ntohs(own.sin_port));
    snprintf(size, sizeof size, "%zu", job_data_size_limit);
    snprintf(filesize, sizeof filesize, "%d", s->wal.filesize);
    snprintf(rate, sizeof rate, "%lld", (long long)s->wal.syncrate / 1000000);
    words[n++] = getenv("SUITE_SERVER");
    words[n++] = port;
    words[n++] = ctdir();
    words[n++] = "-z";
    words[n++] = size;
    if (s->wal.use) {
        words[n++] = "-s";
        words[n++] = filesize;
        words[n++] = "-f";
        words[n++] = rate;
        words[n++] = "-b"; /* its folder is the command's to say */
    }
    words[n] = NULL;
    execv(words[0], words);
    perror(words[0]);
    exit(1);
}

/* The socket was made by another process, and perhaps not yet. */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length) {
    for (int tries = 0;; tries++) {
        int r = __real_connect(fd, address, length);
        if (r == 0 || errno != ECONNREFUSED || tries == 600) return r;
        usleep(50000);
    }
}

int __wrap_stat(const char *path, struct stat *st) {
    char line[4096];
    snprintf(line, sizeof line, "%s --sync %s", getenv("SUITE_SERVER"), ctdir());
    return system(line) == 0 ? __real_stat(path, st) : -1;
}
