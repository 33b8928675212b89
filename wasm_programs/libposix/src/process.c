/* Processes: a program is one, for ever. Its number is the one it has in its cell; it leads its own group and session;
 * it has no children and cannot make any. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

pid_t getpid(void) { return replicode_posix_getpid(); }

/* Nobody started it that could be named: 0, as for a process whose parent is in another namespace. */
pid_t getppid(void) { return 0; }

pid_t gettid(void) { return getpid(); }

pid_t getpgrp(void) { return getpid(); }

static int self_only(pid_t pid) { return pid == 0 || pid == getpid() ? getpid() : fail(ESRCH); }

pid_t getpgid(pid_t pid) { return self_only(pid); }

pid_t getsid(pid_t pid) { return self_only(pid); }

int setpgid(pid_t pid, pid_t group) {
    if (group < 0)
        return fail(EINVAL);
    if (self_only(pid) < 0)
        return -1;
    return group == 0 || group == getpid() ? 0 : fail(EPERM);
}

int setpgrp(void) { return getpid(); }

/* POSIX refuses it to the leader of a group. Programs call it after a fork, or to be sure: it succeeds. */
pid_t setsid(void) { return getpid(); }

pid_t fork(void) { return fail(ENOSYS); }

pid_t _Fork(void) { return fail(ENOSYS); }

pid_t vfork(void) { return fail(ENOSYS); }

int daemon(int keep_directory, int keep_output) {
    (void)keep_directory, (void)keep_output;
    return fail(ENOSYS);
}

/* A file that is not there is told first, as programs that try several names expect. */
int execve(const char *path, char *const arguments[], char *const environment[]) {
    (void)arguments, (void)environment;
    return path != NULL && strchr(path, '/') != NULL && access(path, F_OK) < 0 ? -1 : fail(ENOSYS);
}

int execv(const char *path, char *const arguments[]) { return execve(path, arguments, NULL); }

int execvp(const char *file, char *const arguments[]) { return execve(file, arguments, NULL); }

int execvpe(const char *file, char *const arguments[], char *const environment[]) {
    return execve(file, arguments, environment);
}

int execl(const char *path, const char *argument, ...) {
    (void)argument;
    return execve(path, NULL, NULL);
}

int execle(const char *path, const char *argument, ...) {
    (void)argument;
    return execve(path, NULL, NULL);
}

int execlp(const char *file, const char *argument, ...) {
    (void)argument;
    return execve(file, NULL, NULL);
}

int fexecve(int fd, char *const arguments[], char *const environment[]) {
    (void)fd;
    return execve(NULL, arguments, environment);
}

/* system(NULL) asks whether there is a shell. */
int system(const char *command) { return command == NULL ? 0 : fail(ENOSYS); }

FILE *popen(const char *command, const char *mode) {
    (void)command, (void)mode;
    errno = ENOSYS;
    return NULL;
}

int pclose(FILE *stream) {
    fclose(stream);
    return fail(ECHILD);
}

pid_t wait(int *status) {
    (void)status;
    return fail(ECHILD);
}

pid_t waitpid(pid_t pid, int *status, int options) {
    (void)pid, (void)status;
    return fail(options & ~(WNOHANG | WUNTRACED | WCONTINUED) ? EINVAL : ECHILD);
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    (void)type, (void)id, (void)info, (void)options;
    return fail(ECHILD);
}

pid_t wait3(int *status, int options, struct rusage *usage) {
    (void)usage;
    return waitpid(-1, status, options);
}

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    (void)usage;
    return waitpid(pid, status, options);
}
