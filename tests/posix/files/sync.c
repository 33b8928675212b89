/* fsync and fdatasync of files; of what cannot be synchronised. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644), p[2];
    SHOW(fsync(fd));
    SHOW(fdatasync(fd));
    SHOW(fsync(-1));
    pipe(p);
    SHOW(fsync(p[0]));
    sync();
    SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    return 0;
}
