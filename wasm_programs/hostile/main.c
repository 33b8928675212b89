/* hostile: a guest that does what no decent program does, and checks that it gets an error and nothing worse.
 *
 *   hostile CASE
 *
 * Cases that come back print "ok CASE: WHAT" per expectation, "BAD ..." for each one that is not met, and end with code 0
 * or 1: fault iovec badf fds renumber random poll files sockets grow. `all` runs them all.
 *
 * Cases that must not come back print "about to CASE" and must then end the process with a trap, the same way on every
 * node: stack (endless recursion), frames (endless recursion that fills the memory's own stack), unreachable, divide,
 * outside (a load beyond the memory), indirect (a call through a table entry of another type). */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *current = "";
static int bad;

void expect_one_of(const char *what, int got, const int *wanted, size_t count) {
    int number = got < 0 ? -got : got;
    for (size_t i = 0; i < count; i++)
        if (number == wanted[i]) {
            printf("ok %s: %s\n", current, what);
            return;
        }
    bad++;
    printf("BAD %s: %s: error %d, wanted", current, what, number);
    for (size_t i = 0; i < count; i++)
        printf("%s %d", i ? " or" : "", wanted[i]);
    printf("\n");
}

void expect_true(const char *what, bool holds) {
    if (!holds)
        bad++;
    printf("%s %s: %s\n", holds ? "ok" : "BAD", current, what);
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

uint32_t make_file(const char *name) {
    enum { CREATE_AND_TRUNCATE = 1 | 8 };
    uint32_t fd = 0, written;
    const uint32_t iov[2] = {at("12345678"), 8};
    int error = p1_path_open(ROOT, 0, at(name), strlen(name), CREATE_AND_TRUNCATE, UINT64_MAX >> 34, 0, 0, at(&fd));
    if (error == 0)
        error = p1_fd_write(fd, at(iov), 1, at(&written));
    if (error == 0)
        error = p1_fd_seek(fd, 0, 0, at(&(uint64_t){0}));
    if (error != 0) {
        printf("BAD %s: cannot make a file, error %d\n", current, error);
        exit(1);
    }
    return fd;
}

void remove_file(const char *name) { p1_path_unlink_file(ROOT, at(name), strlen(name)); }

uint64_t position(uint32_t fd) {
    uint64_t where = UINT64_MAX;
    p1_fd_tell(fd, at(&where));
    return where;
}

int listener(uint16_t port) {
    struct {
        uint16_t family;
        uint8_t port[2], addr[12];
    } addr = {.family = 1, .port = {(uint8_t)(port >> 8), (uint8_t)port}};
    enum { STREAM_NONBLOCKING = 6 | 0x4000 };
    int fd = sock_open(1, STREAM_NONBLOCKING, 0);
    if (fd < 0 || sock_bind(fd, at(&addr), sizeof addr) < 0 || sock_listen(fd, 4) < 0) {
        printf("BAD %s: cannot make a listener\n", current);
        exit(1);
    }
    return fd;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void case_grow(void) {
    size_t before = __builtin_wasm_memory_size(0);
    expect_true("growing by 4 GiB fails", __builtin_wasm_memory_grow(0, 65536) == SIZE_MAX);
    while (__builtin_wasm_memory_grow(0, 256) != SIZE_MAX)
        ;
    while (__builtin_wasm_memory_grow(0, 1) != SIZE_MAX)
        ;
    size_t after = __builtin_wasm_memory_size(0);
    expect_true("memory grows up to its limit", after > before);
    volatile char *last = (volatile char *)(uintptr_t)(after * 65536 - 1);
    *last = 42;
    expect_true("the last byte is usable", *last == 42);
    expect_true("it stays at its limit", __builtin_wasm_memory_size(0) == after);
}

/* ---- traps ------------------------------------------------------------------------------------------------------- */

typedef uint32_t recursive(uint32_t);
static uint32_t recurse(uint32_t n);
static recursive *volatile next_call = recurse; /* hides from the compiler that this is a loop */

static uint32_t recurse(uint32_t n) { return next_call(n + 1) * 3 + n; }

static uint32_t recurse_with_frame(uint32_t n) {
    volatile char frame[4096];
    frame[n % sizeof frame] = (char)n;
    return next_call(n + 1) + (uint32_t)frame[(n * 7) % sizeof frame];
}

static void trap_stack(void) { printf("%u\n", recurse(0)); }

static void trap_frames(void) {
    next_call = recurse_with_frame;
    printf("%u\n", recurse_with_frame(0));
}

static void trap_unreachable(void) { __builtin_trap(); }

static void trap_divide(void) {
    volatile int one = 1, zero = 0;
    printf("%d\n", one / zero);
}

static void trap_outside(void) {
    volatile uintptr_t far = 0xfffffff0;
    printf("%d\n", *(volatile int *)far);
}

static void trap_indirect(void) {
    /* With the wrong type, through a pointer the compiler cannot see behind. */
    void (*volatile wrong)(double, double) = (void (*)(double, double))(uintptr_t)next_call;
    wrong(1, 2);
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
    bool traps;
} cases[] = {
    {"fault", case_fault, false},       {"iovec", case_iovec, false},
    {"badf", case_badf, false},         {"fds", case_fds, false},
    {"renumber", case_renumber, false}, {"random", case_random, false},
    {"poll", case_poll, false},         {"files", case_files, false},
    {"sockets", case_sockets, false},   {"grow", case_grow, false},
    {"stack", trap_stack, true},        {"frames", trap_frames, true},
    {"unreachable", trap_unreachable, true}, {"divide", trap_divide, true},
    {"outside", trap_outside, true},    {"indirect", trap_indirect, true},
};

int main(int argc, char **argv) {
    const char *wanted = argc == 2 ? argv[1] : "";
    bool all = strcmp(wanted, "all") == 0, found = false;

    if (strcmp(wanted, "--list") == 0) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            printf(cases[i].traps ? "%s trap\n" : "%s\n", cases[i].name);
        return 0;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!(all && !cases[i].traps) && strcmp(wanted, cases[i].name) != 0)
            continue;
        found = true;
        current = cases[i].name;
        if (cases[i].traps) {
            printf("about to %s\n", current);
            fflush(stdout);
        }
        cases[i].run();
        fflush(stdout);
        if (cases[i].traps) {
            printf("BAD %s: came back\n", current);
            return 1;
        }
    }
    if (!found) {
        fprintf(stderr, "usage: hostile CASE; see hostile/main.c\n");
        return 2;
    }
    return bad ? 1 : 0;
}
