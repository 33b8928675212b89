/* Maps of memory and private maps of files. */
#include "show.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "hello file", 10);
    char *a = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    VAL(a != MAP_FAILED);
    VAL(a[0] == 0 && a[99999] == 0);
    a[99999] = 1;
    SHOW(munmap(a, 100000));
    char *f = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    STR(f);
    VAL(f[10]);
    f[0] = 'J';
    char b[16] = {0};
    SHOW(pread(fd, b, 5, 0));
    STR(b);
    SHOW(msync(f, 10, MS_SYNC));
    SHOW(munmap(f, 10));
    VAL(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    printf("%s\n", error_name(errno));
    VAL(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED);
    printf("%s\n", error_name(errno));
    VAL(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED);
    printf("%s\n", error_name(errno));
    VAL(mmap(NULL, 10, PROT_READ, 0, fd, 0) == MAP_FAILED);
    printf("%s\n", error_name(errno));
    int w = open("f", O_WRONLY);
    VAL(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, w, 0) == MAP_FAILED);
    printf("%s\n", error_name(errno));
    SHOW(mlock(b, 16));
    return 0;
}
