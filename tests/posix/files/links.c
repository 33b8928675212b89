/* Hard links: the same file under two names. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat a, b;
    mkdir("d", 0755);
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "x", 1);
    SHOW(link("f", "g"));
    SHOW(link("f", "g"));
    SHOW(link("missing", "h"));
    SHOW(link("d", "h"));
    stat("f", &a);
    stat("g", &b);
    VAL(a.st_ino == b.st_ino);
    VAL(a.st_nlink);
    SHOW(unlink("f"));
    stat("g", &b);
    VAL(b.st_nlink);
    VAL(b.st_size);
    return 0;
}
