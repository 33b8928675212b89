/* Two opens of one file have two positions; a dup has one. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[4] = {0};
    int a = open("f", O_CREAT | O_RDWR, 0644), c = open("f", O_RDWR);
    SHOW(write(a, "12", 2));
    SHOW(lseek(c, 0, SEEK_CUR));
    SHOW(read(c, b, 1));
    STR(b);
    SHOW(write(c, "X", 1));
    SHOW(pread(a, b, 2, 0));
    STR(b);
    return 0;
}
