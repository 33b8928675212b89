/* What is written to a duplicate of standard output is in order with the rest. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    printf("first\n");
    fflush(stdout);
    int saved = dup(1);
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    dup2(fd, 1);
    printf("into the file\n");
    fflush(stdout);
    dup2(saved, 1);
    printf("last\n");
    char b[64] = {0};
    SHOW(pread(fd, b, 63, 0));
    STR(b);
    return 0;
}
