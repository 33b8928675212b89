/* What stat tells of a file, a directory and a link. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    umask(022);
    int fd = open("f", O_CREAT | O_RDWR, 0666);
    write(fd, "12345", 5);
    SHOW(fstat(fd, &st));
    printf("%o\n", (unsigned)st.st_mode);
    VAL(st.st_size);
    VAL(st.st_nlink);
    VAL(st.st_blksize > 0);
    VAL(st.st_blocks > 0);
    mkdir("d", 0777);
    stat("d", &st);
    printf("%o\n", (unsigned)st.st_mode);
    symlink("f", "l");
    lstat("l", &st);
    printf("%o\n", (unsigned)st.st_mode);
    SHOW(stat("", &st));
    SHOW(fstat(-1, &st));
    SHOW(stat("f/x", &st));
    return 0;
}
