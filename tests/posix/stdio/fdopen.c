/* fdopen, fileno and freopen. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[32] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    FILE *f = fdopen(fd, "r+");
    VAL(fileno(f) == fd);
    fputs("hello", f);
    SHOW(fflush(f));
    SHOW(pread(fd, b, 31, 0));
    STR(b);
    VAL(freopen("g", "w", f) == f);
    fputs("other", f);
    SHOW(fclose(f));
    fd = open("g", O_RDONLY);
    SHOW(read(fd, b, 31));
    STR(b);
    PTR(fdopen(-1, "r"));
    return 0;
}
