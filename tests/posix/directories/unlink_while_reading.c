/* Removing what was read, while reading on: nothing is left out. */
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    char name[300];
    mkdir("d", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    DIR *d = opendir("d");
    struct dirent *e;
    int removed = 0;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) == 0)
            removed++;
    VAL(removed);
    closedir(d);
    SHOW(rmdir("d"));
    return 0;
}
