/* close answers EBADF the second time, and to what never was open. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    SHOW(close(fd));
    SHOW(close(fd));
    SHOW(close(-1));
    SHOW(close(9999));
    return 0;
}
