/* rlimits are kept; sysconf and pathconf answer. */
#include "show.h"
#include <sys/resource.h>
#include <unistd.h>

int main(void) {
    struct rlimit r;
    SHOW(getrlimit(RLIMIT_NOFILE, &r));
    VAL(r.rlim_cur >= 256);
    r.rlim_cur = 200;
    SHOW(setrlimit(RLIMIT_NOFILE, &r));
    SHOW(getrlimit(RLIMIT_NOFILE, &r));
    VAL(r.rlim_cur);
    r.rlim_cur = r.rlim_max;
    SHOW(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
    SHOW(getrlimit(RLIMIT_CORE, &r));
    VAL(r.rlim_cur);
    SHOW(setrlimit(RLIMIT_STACK, &(struct rlimit){2, 1}));
    SHOW(getrlimit(99, &r));
    VAL(sysconf(_SC_PAGESIZE) >= 4096);
    VAL(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    VAL(sysconf(_SC_OPEN_MAX));
    SHOW(sysconf(9999));
    VAL(pathconf("/", _PC_NAME_MAX));
    VAL(pathconf("/", _PC_PATH_MAX));
    return 0;
}
