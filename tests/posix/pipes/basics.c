/* A pipe: bytes in order, the end when the writer is closed. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int p[2];
    char b[16] = {0};
    struct stat st;
    SHOW(pipe(p));
    SHOW(write(p[1], "hello", 5));
    SHOW(read(p[0], b, 2));
    STR(b);
    SHOW(write(p[1], "!", 1));
    SHOW(read(p[0], b, 16));
    STR(b);
    SHOW(close(p[1]));
    SHOW(read(p[0], b, 16));
    fstat(p[0], &st);
    VAL(S_ISFIFO(st.st_mode));
    return 0;
}
