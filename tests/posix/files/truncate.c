/* Shrinking and growing: what is new is zero. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char b[8] = "........";
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    write(fd, "abcdef", 6);
    SHOW(ftruncate(fd, 3));
    SHOW(ftruncate(fd, 6));
    SHOW(pread(fd, b, 8, 0));
    VAL(b[2] == 'c' && b[3] == 0 && b[5] == 0 && b[6] == '.');
    SHOW(ftruncate(fd, -1));
    SHOW(truncate("f", 2));
    stat("f", &st);
    VAL(st.st_size);
    SHOW(truncate("missing", 0));
    SHOW(truncate("f", -5));
    SHOW(lseek(fd, 0, SEEK_CUR));
    return 0;
}
