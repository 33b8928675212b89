/* The system and its limits: what one would read of a machine with one processor that nobody else uses. */
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* HOSTNAME of the environment, which `--env` sets; else the same everywhere. */
static const char *host(void) {
    const char *name = getenv("HOSTNAME");
    return name != NULL && name[0] != '\0' ? name : "replicode";
}

int gethostname(char *name, size_t room) {
    const char *from = host();
    size_t len = strlen(from);
    if (room == 0)
        return fail(EINVAL);
    if (len >= room) {
        memcpy(name, from, room);
        return fail(ENAMETOOLONG);
    }
    memcpy(name, from, len + 1);
    return 0;
}

int sethostname(const char *name, size_t len) {
    (void)name, (void)len;
    return fail(EPERM);
}

int getdomainname(char *name, size_t room) {
    if (room == 0)
        return fail(EINVAL);
    name[0] = '\0';
    return 0;
}

int setdomainname(const char *name, size_t len) {
    (void)name, (void)len;
    return fail(EPERM);
}

int uname(struct utsname *out) {
    memset(out, 0, sizeof *out);
    strcpy(out->sysname, "replicode");
    strncpy(out->nodename, host(), sizeof out->nodename - 1);
    strcpy(out->release, "1");
    strcpy(out->version, "preview1");
    strcpy(out->machine, "wasm32");
    return 0;
}

enum { MOST_DESCRIPTORS = 65536 };

static struct rlimit limits[RLIMIT_NLIMITS];
static unsigned char set[RLIMIT_NLIMITS];

int prlimit(pid_t pid, int which, const struct rlimit *new_limit, struct rlimit *old) {
    if (which < 0 || which >= RLIMIT_NLIMITS)
        return fail(EINVAL);
    if (pid != 0 && pid != getpid())
        return fail(ESRCH);
    struct rlimit now = {RLIM_INFINITY, RLIM_INFINITY};
    if (set[which])
        now = limits[which];
    else if (which == RLIMIT_NOFILE)
        now = (struct rlimit){MOST_DESCRIPTORS, MOST_DESCRIPTORS};
    else if (which == RLIMIT_CORE)
        now.rlim_cur = 0;
    if (new_limit != NULL) {
        if (new_limit->rlim_cur > new_limit->rlim_max)
            return fail(EINVAL);
        limits[which] = *new_limit;
        set[which] = 1;
    }
    if (old != NULL)
        *old = now;
    return 0;
}

int getrlimit(int which, struct rlimit *out) { return prlimit(0, which, NULL, out); }

int setrlimit(int which, const struct rlimit *limit) { return prlimit(0, which, limit, NULL); }

int getdtablesize(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static int priority;

int getpriority(int which, id_t who) {
    (void)who;
    return which < PRIO_PROCESS || which > PRIO_USER ? fail(EINVAL) : priority;
}

int setpriority(int which, id_t who, int value) {
    (void)who;
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return fail(EINVAL);
    priority = value < -20 ? -20 : value > 19 ? 19 : value;
    return 0;
}

int nice(int by) {
    setpriority(PRIO_PROCESS, 0, priority + by);
    return priority;
}

int getloadavg(double *loads, int n) {
    n = n < 0 ? -1 : n > 3 ? 3 : n;
    for (int i = 0; i < n; i++)
        loads[i] = 0;
    return n;
}

int sched_get_priority_max(int policy) { return policy == SCHED_FIFO || policy == SCHED_RR ? 99 : 0; }

int sched_get_priority_min(int policy) { return policy == SCHED_FIFO || policy == SCHED_RR ? 1 : 0; }

int sched_getscheduler(pid_t pid) {
    (void)pid;
    return SCHED_OTHER;
}

int sched_setscheduler(pid_t pid, int policy, const struct sched_param *parameters) {
    (void)pid, (void)parameters;
    return policy == SCHED_OTHER ? 0 : fail(EPERM);
}

int sched_getparam(pid_t pid, struct sched_param *parameters) {
    (void)pid;
    memset(parameters, 0, sizeof *parameters);
    return 0;
}

int sched_setparam(pid_t pid, const struct sched_param *parameters) {
    (void)pid, (void)parameters;
    return 0;
}

/* The name is kept; what concerns dumps, death of a parent or capabilities has no effect. */
int prctl(int option, ...) {
    static char name[16] = "replicode";
    va_list arguments;
    va_start(arguments, option);
    char *text = option == PR_SET_NAME || option == PR_GET_NAME ? va_arg(arguments, char *) : NULL;
    va_end(arguments);
    switch (option) {
    case PR_SET_NAME: strncpy(name, text, sizeof name - 1); return 0;
    case PR_GET_NAME: memcpy(text, name, sizeof name); return 0;
    case PR_SET_DUMPABLE:
    case PR_GET_DUMPABLE:
    case PR_SET_PDEATHSIG:
    case PR_SET_KEEPCAPS:
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_TIMERSLACK: return 0;
    default: return fail(EINVAL);
    }
}

ssize_t getrandom(void *buffer, size_t len, unsigned flags) {
    if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
        return fail(EINVAL);
    for (size_t done = 0; done < len; done += 256)
        if (getentropy((char *)buffer + done, len - done < 256 ? len - done : 256) < 0)
            return -1;
    return len;
}

/* Everything is as durable as the cell's log. */
void sync(void) {}

int syncfs(int fd) { return fsync(fd) < 0 && errno == EBADF ? -1 : 0; }

int acct(const char *file) {
    (void)file;
    return fail(ENOSYS);
}

int vhangup(void) { return fail(EPERM); }

int brk(void *end) {
    (void)end;
    return fail(ENOMEM);
}
