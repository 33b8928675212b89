/* chown to whom the file belongs already, and the errors that come before that. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    SHOW(chown("f", -1, -1));
    SHOW(fchown(fd, getuid(), getgid()));
    SHOW(lchown("f", -1, -1));
    SHOW(chown("missing", -1, -1));
    SHOW(fchown(-1, -1, -1));
    SHOW(fchownat(AT_FDCWD, "f", -1, -1, 0));
    return 0;
}
