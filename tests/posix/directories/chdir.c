/* chdir and getcwd: `..`, links, and what cannot be entered. */
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char start[4096];

static void where(void) {
    char now[4096];
    getcwd(now, sizeof now);
    printf("in %s\n", strcmp(start, "/") == 0 ? now : strlen(now) == strlen(start) ? "/" : now + strlen(start));
}

int main(void) {
    getcwd(start, sizeof start);
    mkdir("a", 0755);
    mkdir("a/b", 0755);
    symlink("a/b", "l");
    close(open("f", O_CREAT | O_WRONLY, 0644));
    SHOW(chdir("a/b"));
    where();
    SHOW(chdir(".."));
    where();
    SHOW(chdir("./b/../b/."));
    where();
    SHOW(chdir("../.."));
    where();
    SHOW(chdir("l"));
    where();
    SHOW(chdir(".."));
    where();
    chdir(start);
    SHOW(chdir("f"));
    SHOW(chdir("missing"));
    SHOW(chdir(""));
    where();
    return 0;
}
