/* access: existence, and what root may not do either. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    close(open("f", O_CREAT | O_WRONLY, 0644));
    mkdir("d", 0755);
    SHOW(access("f", F_OK));
    SHOW(access("f", R_OK | W_OK));
    SHOW(access("f", X_OK));
    SHOW(access("d", X_OK));
    SHOW(access("missing", F_OK));
    SHOW(access("f/x", F_OK));
    SHOW(access("", F_OK));
    chmod("f", 0755);
    SHOW(access("f", X_OK));
    SHOW(faccessat(AT_FDCWD, "f", R_OK, 0));
    SHOW(access("f", 64));
    return 0;
}
