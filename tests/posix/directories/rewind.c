/* rewinddir, telldir and seekdir; a name made after opendir shows after rewinddir. */
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int count(DIR *d) {
    int n = 0;
    while (readdir(d) != NULL)
        n++;
    return n;
}

int main(void) {
    mkdir("d", 0755);
    close(open("d/a", O_CREAT | O_WRONLY, 0644));
    DIR *d = opendir("d");
    VAL(count(d));
    close(open("d/b", O_CREAT | O_WRONLY, 0644));
    rewinddir(d);
    VAL(count(d));
    rewinddir(d);
    readdir(d);
    long place = telldir(d);
    char name[256];
    strcpy(name, readdir(d)->d_name);
    count(d);
    seekdir(d, place);
    VAL(strcmp(name, readdir(d)->d_name) == 0);
    VAL(dirfd(d) >= 0);
    SHOW(closedir(d));
    return 0;
}
