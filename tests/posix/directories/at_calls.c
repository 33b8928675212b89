/* The calls that take a directory's descriptor. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char b[16] = {0};
    mkdir("d", 0755);
    int d = open("d", O_RDONLY | O_DIRECTORY), f = open("f", O_CREAT | O_RDWR, 0644);
    OK(openat(d, "x", O_CREAT | O_WRONLY, 0644));
    SHOW(mkdirat(d, "sub", 0755));
    SHOW(symlinkat("x", d, "l"));
    SHOW(readlinkat(d, "l", b, sizeof b));
    SHOW(fstatat(d, "x", &st, 0));
    SHOW(fstatat(d, "l", &st, AT_SYMLINK_NOFOLLOW));
    VAL(S_ISLNK(st.st_mode));
    SHOW(linkat(d, "x", d, "y", 0));
    SHOW(renameat(d, "y", AT_FDCWD, "moved"));
    SHOW(stat("moved", &st));
    SHOW(faccessat(d, "x", F_OK, 0));
    SHOW(unlinkat(d, "sub", 0));
    SHOW(unlinkat(d, "sub", AT_REMOVEDIR));
    SHOW(unlinkat(d, "x", AT_REMOVEDIR));
    SHOW(unlinkat(d, "x", 0));
    OK(openat(f, "x", O_RDONLY));
    OK(openat(-1, "x", O_RDONLY));
    OK(openat(-1, "/tmp", O_RDONLY));
    SHOW(fstatat(d, "", &st, 0));
    SHOW(fstatat(d, "", &st, AT_EMPTY_PATH));
    return 0;
}
