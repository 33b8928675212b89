/* O_TRUNC, O_APPEND and O_CREAT on a file that exists, and what F_GETFL tells. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    int fd = open("f", O_CREAT | O_WRONLY, 0644);
    SHOW(write(fd, "hello", 5));
    VAL((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
    close(fd);
    fd = open("f", O_CREAT | O_WRONLY | O_APPEND, 0644);
    VAL((fcntl(fd, F_GETFL) & O_APPEND) != 0);
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(write(fd, " world", 6));
    SHOW(lseek(fd, 0, SEEK_CUR));
    close(fd);
    stat("f", &st);
    VAL(st.st_size);
    fd = open("f", O_RDWR | O_TRUNC);
    VAL((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    fstat(fd, &st);
    VAL(st.st_size);
    close(fd);
    return 0;
}
