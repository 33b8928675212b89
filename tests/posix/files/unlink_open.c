/* A file lives as long as somebody has it open. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char b[8] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "alive", 5);
    SHOW(unlink("f"));
    SHOW(unlink("f"));
    SHOW(fstat(fd, &st));
    VAL(st.st_nlink);
    SHOW(pread(fd, b, 5, 0));
    STR(b);
    int other = open("f", O_CREAT | O_RDWR, 0644);
    SHOW(pread(other, b, 5, 0));
    SHOW(write(fd, "!", 1));
    SHOW(fstat(other, &st));
    VAL(st.st_size);
    return 0;
}
