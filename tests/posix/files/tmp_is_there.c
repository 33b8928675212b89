/* /tmp and /var/tmp are directories that one may write to. */
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat st;
    char a[] = "/tmp/posix_XXXXXX", b[] = "/var/tmp/posix_XXXXXX";
    SHOW(stat("/tmp", &st));
    printf("%o\n", (unsigned)st.st_mode);
    OK(mkstemp(a));
    SHOW(unlink(a));
    OK(mkstemp(b));
    SHOW(unlink(b));
    return 0;
}
