/* The devices that every program expects. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char b[16];
    memset(b, 1, sizeof b);
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
    SHOW(write(null, b, 16));
    SHOW(read(null, b, 16));
    SHOW(read(zero, b, 16));
    VAL(b[0] == 0 && b[15] == 0);
    SHOW(write(zero, b, 16));
    SHOW(read(full, b, 4));
    SHOW(write(full, b, 16));
    int random = open("/dev/urandom", O_RDONLY);
    SHOW(read(random, b, 16));
    fstat(null, &st);
    VAL(S_ISCHR(st.st_mode));
    stat("/dev", &st);
    VAL(S_ISDIR(st.st_mode));
    VAL(isatty(null));
    SHOW(ftruncate(null, 5));
    OK(open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0666));
    OK(open("/dev/missing", O_RDONLY));
    return 0;
}
