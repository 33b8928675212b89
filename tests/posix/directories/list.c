/* readdir shows `.`, `..` and every name once, with its type. */
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    symlink("sub", "d/link");
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "d/f%02d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    struct dirent **names;
    int n = scandir("d", &names, NULL, alphasort);
    VAL(n);
    for (int i = 0; i < n; i++)
        printf("%s %s\n", names[i]->d_name,
               names[i]->d_type == DT_DIR   ? "dir"
               : names[i]->d_type == DT_LNK ? "link"
               : names[i]->d_type == DT_REG ? "file"
                                            : "?");
    PTR(opendir("missing"));
    PTR(opendir("d/f00"));
    PTR(opendir(""));
    return 0;
}
