/* `..` from a directory's descriptor leads above it. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    mkdir("d", 0755);
    close(open("beside", O_CREAT | O_WRONLY, 0644));
    int d = open("d", O_RDONLY);
    OK(openat(d, "../beside", O_RDONLY));
    SHOW(fstatat(d, "..", &st, 0));
    SHOW(fstatat(d, "../missing", &st, 0));
    return 0;
}
