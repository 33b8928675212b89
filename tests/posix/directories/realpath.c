/* realpath: links, dots, what is missing. */
#include "show.h"
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char start[PATH_MAX];

static void real(const char *path) {
    char out[PATH_MAX];
    errno = 0;
    if (realpath(path, out) == NULL)
        printf("%s: %s\n", path, error_name(errno));
    else
        printf("%s -> %s\n", path, strcmp(start, "/") == 0 ? out : strlen(out) == strlen(start) ? "/" : out + strlen(start));
}

int main(void) {
    realpath(".", start);
    mkdir("a", 0755);
    mkdir("a/b", 0755);
    symlink("a/b", "l");
    symlink("../a", "a/loop_back");
    symlink("x", "x");
    close(open("f", O_CREAT | O_WRONLY, 0644));
    real(".");
    real("a/./b/..");
    real("l");
    real("l/..");
    real("a/loop_back/b");
    real("missing");
    real("f/x");
    real("f/..");
    real("x");
    real("");
    return 0;
}
