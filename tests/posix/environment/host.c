/* gethostname and uname agree. */
#include "show.h"
#include <sys/utsname.h>
#include <unistd.h>

int main(void) {
    char b[256] = {0}, c[1];
    struct utsname u;
    SHOW(gethostname(b, sizeof b));
    VAL(strlen(b) > 0);
    SHOW(uname(&u));
    VAL(strcmp(b, u.nodename) == 0);
    VAL(strlen(u.sysname) > 0);
    SHOW(gethostname(c, 1));
    return 0;
}
