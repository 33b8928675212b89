/* rename: over a file, over directories, onto itself, into its own child. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    mkdir("d", 0755);
    mkdir("e", 0755);
    mkdir("full", 0755);
    close(open("full/x", O_CREAT | O_WRONLY, 0644));
    int fd = open("a", O_CREAT | O_WRONLY, 0644);
    write(fd, "123", 3);
    close(open("b", O_CREAT | O_WRONLY, 0644));
    SHOW(rename("a", "b"));
    SHOW(stat("a", &st));
    SHOW(stat("b", &st));
    VAL(st.st_size);
    SHOW(rename("b", "b"));
    SHOW(rename("missing", "b"));
    SHOW(rename("b", "d"));
    SHOW(rename("d", "b"));
    SHOW(rename("d", "e"));
    SHOW(rename("e", "full"));
    SHOW(rename("full", "full/inner"));
    SHOW(rename("b", "missing/b"));
    SHOW(rename("", "b"));
    SHOW(rename("b", "e/b"));
    SHOW(stat("e/b", &st));
    return 0;
}
