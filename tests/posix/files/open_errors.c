/* open: what is missing, what is in the way, and flags that contradict each other. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    mkdir("d", 0755);
    close(open("f", O_CREAT | O_WRONLY, 0644));
    OK(open("missing", O_RDONLY));
    OK(open("", O_RDONLY));
    OK(open("f/below", O_RDONLY));
    OK(open("missing/f", O_CREAT | O_WRONLY, 0644));
    OK(open("f", O_CREAT | O_EXCL | O_WRONLY, 0644));
    OK(open("d", O_WRONLY));
    OK(open("d", O_RDWR));
    OK(open("d", O_RDONLY));
    OK(open("f", O_RDONLY | O_DIRECTORY));
    OK(open("f/", O_RDONLY));
    OK(open("d/", O_RDONLY));
    OK(open("new/", O_CREAT | O_WRONLY, 0644));
    return 0;
}
