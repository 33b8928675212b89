/* Fifos and devices may not be made by everybody; regular files by mknod may. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    SHOW(mknod("f", S_IFREG | 0644, 0));
    stat("f", &st);
    VAL(S_ISREG(st.st_mode));
    SHOW(mknod("f", S_IFREG | 0644, 0));
    SHOW(mkfifo("f", 0644));
    SHOW(mkfifo("missing/f", 0644));
    SHOW(mknod("x", S_IFDIR | 0755, 0));
    return 0;
}
