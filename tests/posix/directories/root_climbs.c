/* Above the root is the root. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat a, b;
    SHOW(stat("/", &a));
    SHOW(stat("/..", &b));
    VAL(a.st_ino == b.st_ino);
    SHOW(stat("/../../tmp", &b));
    SHOW(stat("//tmp//.//", &b));
    SHOW(chdir("/tmp/../.."));
    char *cwd = getcwd(NULL, 0);
    STR(cwd);
    return 0;
}
