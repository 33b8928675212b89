/* umask takes bits from what open and mkdir ask for, and answers the old one. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void mode(const char *path) {
    struct stat st;
    stat(path, &st);
    printf("%s %o\n", path, (unsigned)st.st_mode & 07777);
}

int main(void) {
    umask(077);
    printf("%o\n", (unsigned)umask(027));
    close(open("a", O_CREAT | O_WRONLY, 0666));
    mode("a");
    mkdir("d", 0777);
    mode("d");
    umask(0);
    close(open("b", O_CREAT | O_WRONLY, 0666));
    mode("b");
    close(open("c", O_CREAT | O_WRONLY | O_EXCL, 0400));
    mode("c");
    close(open("a", O_CREAT | O_WRONLY, 0777));
    mode("a");
    fclose(fopen("g", "w"));
    mode("g");
    return 0;
}
