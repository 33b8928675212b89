/* Which calls move the times of a file on. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat a, b;
    struct timespec old[2] = {{1, 0}, {1, 0}};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    futimens(fd, old);
    fstat(fd, &a);
    write(fd, "x", 1);
    fstat(fd, &b);
    VAL(b.st_mtime > a.st_mtime);
    futimens(fd, old);
    chmod("f", 0600);
    fstat(fd, &b);
    VAL(b.st_mtime == 1);
    mkdir("d", 0755);
    int d = open("d", O_RDONLY);
    futimens(d, old);
    close(open("d/x", O_CREAT | O_WRONLY, 0644));
    fstat(d, &b);
    VAL(b.st_mtime > 1);
    futimens(d, old);
    unlink("d/x");
    fstat(d, &b);
    VAL(b.st_mtime > 1);
    return 0;
}
