/* sysconf: the limits of a program here. */
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#include "internal.h"

long sysconf(int name) {
    enum { MEMORY_PAGES = 65536 }; /* 4 GiB, what 32 bits can address */
    switch (name) {
    case _SC_ARG_MAX: return 131072;
    case _SC_CHILD_MAX: return 0;
    case _SC_CLK_TCK: return 100;
    case _SC_NGROUPS_MAX: return 65536;
    case _SC_OPEN_MAX: return getdtablesize();
    case _SC_STREAM_MAX: return 16;
    case _SC_TZNAME_MAX: return 6;
    case _SC_PAGESIZE: return 65536;
    case _SC_NPROCESSORS_CONF:
    case _SC_NPROCESSORS_ONLN: return 1;
    case _SC_PHYS_PAGES: return MEMORY_PAGES;
    case _SC_AVPHYS_PAGES: return MEMORY_PAGES - (long)__builtin_wasm_memory_size(0);
    case _SC_IOV_MAX: return IOV_MAX;
    case _SC_LOGIN_NAME_MAX: return 256;
    case _SC_TTY_NAME_MAX: return 32;
    case _SC_HOST_NAME_MAX: return 255;
    case _SC_SYMLOOP_MAX: return 40;
    case _SC_GETPW_R_SIZE_MAX:
    case _SC_GETGR_R_SIZE_MAX: return 1024;
    case _SC_LINE_MAX: return 2048;
    case _SC_RE_DUP_MAX: return 255;
    case _SC_ATEXIT_MAX: return 32;
    case _SC_SIGQUEUE_MAX:
    case _SC_DELAYTIMER_MAX: return 32;
    case _SC_RTSIG_MAX: return 30;
    case _SC_VERSION:
    case _SC_2_VERSION:
    case _SC_FSYNC:
    case _SC_MAPPED_FILES:
    case _SC_MONOTONIC_CLOCK:
    case _SC_TIMEOUTS:
    case _SC_REGEXP: return _POSIX_VERSION;
    case _SC_JOB_CONTROL:
    case _SC_SAVED_IDS: return 1;
    case _SC_XOPEN_VERSION: return 700;
    case _SC_THREADS:
    case _SC_THREAD_SAFE_FUNCTIONS:
    case _SC_ASYNCHRONOUS_IO:
    case _SC_MESSAGE_PASSING:
    case _SC_SEMAPHORES:
    case _SC_SHARED_MEMORY_OBJECTS:
    case _SC_SHELL:
    case _SC_SPAWN:
    case _SC_TIMERS: return -1; /* there are none; not an error */
    case _SC_THREAD_STACK_MIN: return 2048;
    case _SC_THREAD_KEYS_MAX: return 128;
    case _SC_THREAD_DESTRUCTOR_ITERATIONS: return 4;
    default: return fail(EINVAL);
    }
}
