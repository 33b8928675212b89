/* linkat links the link, or with AT_SYMLINK_FOLLOW what it leads to; also after chdir. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    mkdir("d", 0755);
    chdir("d");
    close(open("f", O_CREAT | O_WRONLY, 0644));
    symlink("f", "l");
    SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "of_link", 0));
    SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "of_file", AT_SYMLINK_FOLLOW));
    lstat("of_link", &st);
    VAL(S_ISLNK(st.st_mode));
    lstat("of_file", &st);
    VAL(S_ISREG(st.st_mode));
    VAL(st.st_nlink);
    SHOW(linkat(AT_FDCWD, "f", AT_FDCWD, "x", 0x40000000));
    return 0;
}
