/* Making and removing directories, and all that is in the way. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d/", 0755));
    SHOW(mkdir("a/b", 0755));
    SHOW(mkdir("e/", 0755));
    close(open("f", O_CREAT | O_WRONLY, 0644));
    SHOW(mkdir("f", 0755));
    SHOW(mkdir("f/x", 0755));
    SHOW(mkdir("", 0755));
    SHOW(mkdir(".", 0755));
    close(open("d/x", O_CREAT | O_WRONLY, 0644));
    SHOW(rmdir("d"));
    SHOW(rmdir("f"));
    SHOW(rmdir("missing"));
    SHOW(rmdir("."));
    SHOW(rmdir("d/.."));
    SHOW(unlink("d"));
    SHOW(unlink("d/x"));
    SHOW(rmdir("d/"));
    SHOW(remove("e"));
    SHOW(remove("f"));
    SHOW(remove("f"));
    return 0;
}
