/* Symbolic links: made, read, followed, not followed, dangling, in a circle. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char b[32] = {0};
    close(open("f", O_CREAT | O_WRONLY, 0644));
    SHOW(symlink("f", "l"));
    SHOW(symlink("f", "l"));
    SHOW(symlink("", "empty"));
    SHOW(readlink("l", b, sizeof b));
    STR(b);
    SHOW(readlink("l", b, 0));
    SHOW(readlink("f", b, sizeof b));
    SHOW(readlink("missing", b, sizeof b));
    lstat("l", &st);
    VAL(S_ISLNK(st.st_mode));
    VAL(st.st_size);
    stat("l", &st);
    VAL(S_ISREG(st.st_mode));
    OK(open("l", O_RDONLY | O_NOFOLLOW));
    symlink("nowhere", "dangling");
    SHOW(stat("dangling", &st));
    OK(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
    OK(open("dangling", O_CREAT | O_WRONLY, 0644));
    SHOW(stat("nowhere", &st));
    symlink("c1", "c2");
    symlink("c2", "c1");
    SHOW(stat("c1", &st));
    OK(open("c1", O_RDONLY));
    SHOW(unlink("l"));
    SHOW(stat("f", &st));
    return 0;
}
