/* mkstemp and mkdtemp: names that are new, modes that are tight. */
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char a[] = "nameXXXXXX", b[] = "nameXXXXXX", c[] = "wrongXXXXX", d[] = "dirXXXXXX", e[] = "xXXXXXX.txt";
    int fd = mkstemp(a);
    VAL(fd >= 0);
    fstat(fd, &st);
    printf("%o\n", (unsigned)st.st_mode);
    VAL((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    OK(mkostemp(b, O_APPEND | O_CLOEXEC));
    VAL(strcmp(a, b) != 0);
    VAL(strncmp(a, "name", 4) == 0 && strcmp(a + 4, "XXXXXX") != 0); /* a chosen name may hold an X or two */
    OK(mkstemp(c));
    STR(c);
    PTR(mkdtemp(d));
    stat(d, &st);
    printf("%o\n", (unsigned)st.st_mode);
    OK(mkstemps(e, 4));
    STR(e + 7);
    return 0;
}
