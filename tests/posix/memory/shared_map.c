/* A shared map that is written to changes the file: refused here. */
#include "show.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "0123456789", 10);
    char *m = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("%s\n", m == MAP_FAILED ? error_name(errno) : "mapped");
    m = mmap(NULL, 10, PROT_READ, MAP_SHARED, fd, 0);
    printf("%s\n", m == MAP_FAILED ? error_name(errno) : "mapped");
    return 0;
}
