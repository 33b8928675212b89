/* fchdir goes back to a directory that was open. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    mkdir("d", 0755);
    close(open("d/inside", O_CREAT | O_WRONLY, 0644));
    close(open("outside", O_CREAT | O_WRONLY, 0644));
    int here = open(".", O_RDONLY), d = open("d", O_RDONLY), f = open("outside", O_RDONLY);
    SHOW(fchdir(d));
    SHOW(stat("inside", &st));
    SHOW(fchdir(here));
    SHOW(stat("outside", &st));
    SHOW(fchdir(f));
    SHOW(fchdir(-1));
    return 0;
}
