/* Permission bits: set by path, by descriptor, through a link; the special three as well. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void mode(const char *path) {
    struct stat st;
    lstat(path, &st);
    printf("%s %o\n", path, (unsigned)st.st_mode & 07777);
}

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    mkdir("d", 0755);
    symlink("f", "l");
    SHOW(chmod("f", 0600));
    mode("f");
    SHOW(fchmod(fd, 0751));
    mode("f");
    SHOW(chmod("l", 0444));
    mode("f");
    SHOW(fchmodat(AT_FDCWD, "d", 01777, 0));
    mode("d");
    SHOW(chmod("d", 02755));
    mode("d");
    SHOW(chmod("missing", 0644));
    SHOW(fchmod(-1, 0644));
    return 0;
}
