/* readv and writev: gather, scatter, empty pieces and too many. */
#include "show.h"
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    char a[4] = {0}, b[8] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    struct iovec out[3] = {{"one", 3}, {"", 0}, {"twothree", 8}};
    SHOW(writev(fd, out, 3));
    lseek(fd, 0, SEEK_SET);
    struct iovec in[2] = {{a, 3}, {b, 7}};
    SHOW(readv(fd, in, 2));
    STR(a);
    STR(b);
    SHOW(readv(fd, in, 2));
    SHOW(readv(fd, in, 2));
    SHOW(writev(fd, out, 0));
    return 0;
}
