/* sysbench: makes the same system call N times, for measuring from outside what one costs. (Inside, time is logical.)
 *
 *   sysbench clock N      clock_gettime
 *   sysbench write1 N     write of 1 byte to a file
 *   sysbench read1k N     read of 1 KiB from a file of 64 KiB, rewound at its end
 *
 * Prints the count and a checksum over the results. The file is sysbench.tmp in the current directory. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t checksum = 2166136261u;

static void add(const void *data, size_t len) {
    for (size_t i = 0; i < len; i++)
        checksum = (checksum ^ ((const unsigned char *)data)[i]) * 16777619u;
}

static void fail(const char *what) {
    fprintf(stderr, "sysbench: ");
    perror(what);
    exit(1);
}

static int open_file(void) {
    int fd = open("sysbench.tmp", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        fail("open sysbench.tmp");
    return fd;
}

static void bench_clock(long n) {
    struct timespec t, last = {0};
    for (long i = 0; i < n; i++) {
        if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
            fail("clock_gettime");
        uint32_t grew = t.tv_sec > last.tv_sec || (t.tv_sec == last.tv_sec && t.tv_nsec > last.tv_nsec);
        checksum = (checksum ^ grew) * 16777619u; /* the same for any clock that only grows */
        last = t;
    }
}

static void bench_write1(long n) {
    int fd = open_file();
    for (long i = 0; i < n; i++) {
        char byte = (char)i;
        if (write(fd, &byte, 1) != 1)
            fail("write");
    }
    off_t end = lseek(fd, 0, SEEK_CUR);
    int64_t size = (int64_t)end;
    add(&size, sizeof size);
    close(fd);
}

static void bench_read1k(long n) {
    enum { BLOCK = 1024, BLOCKS = 64 };
    char buffer[BLOCK];
    int fd = open_file();
    for (int i = 0; i < BLOCKS; i++) {
        memset(buffer, i, sizeof buffer);
        if (write(fd, buffer, sizeof buffer) != BLOCK)
            fail("write");
    }
    for (long i = 0; i < n; i++) {
        if (i % BLOCKS == 0 && lseek(fd, 0, SEEK_SET) != 0)
            fail("lseek");
        if (read(fd, buffer, sizeof buffer) != BLOCK)
            fail("read");
        add(buffer, 1);
    }
    close(fd);
}

int main(int argc, char **argv) {
    long n = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    void (*bench)(long) = NULL;
    if (n > 0 && strcmp(argv[1], "clock") == 0)
        bench = bench_clock;
    else if (n > 0 && strcmp(argv[1], "write1") == 0)
        bench = bench_write1;
    else if (n > 0 && strcmp(argv[1], "read1k") == 0)
        bench = bench_read1k;
    if (bench == NULL) {
        fprintf(stderr, "usage: sysbench clock|write1|read1k N\n");
        return 2;
    }
    bench(n);
    if (bench != bench_clock && unlink("sysbench.tmp") != 0)
        fail("unlink sysbench.tmp");
    printf("sysbench: %s %ld calls, checksum %08" PRIx32 "\n", argv[1], n, checksum);
    return 0;
}
