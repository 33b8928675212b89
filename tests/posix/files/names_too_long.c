/* A name of 255 bytes is allowed, one of 256 is not; nor is a path beyond PATH_MAX. */
#include "show.h"
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    OK(open(name, O_CREAT | O_WRONLY, 0644));
    name[255] = 'n';
    name[256] = '\0';
    OK(open(name, O_CREAT | O_WRONLY, 0644));
    SHOW(mkdir(name, 0755));
    SHOW(symlink("x", name));
    char *path = malloc(PATH_MAX + 10);
    for (int i = 0; i < PATH_MAX + 8; i++)
        path[i] = i % 2 ? '/' : '.';
    path[PATH_MAX + 8] = '\0';
    OK(open(path, O_RDONLY));
    return 0;
}
