/* F_SETFL changes O_APPEND and O_NONBLOCK, for all that share the description; nothing else. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644), d = dup(fd);
    SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    VAL((fcntl(d, F_GETFL) & O_APPEND) != 0);
    VAL((fcntl(d, F_GETFL) & O_NONBLOCK) != 0);
    SHOW(fcntl(d, F_SETFL, O_WRONLY | O_TRUNC));
    VAL((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    VAL((fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK)) == 0);
    int other = open("f", O_RDONLY);
    VAL((fcntl(other, F_GETFL) & O_NONBLOCK) == 0);
    SHOW(fcntl(-1, F_GETFL));
    SHOW(fcntl(fd, 9999));
    return 0;
}
