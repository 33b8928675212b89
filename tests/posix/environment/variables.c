/* getenv, setenv, putenv, unsetenv, environ. */
#include "show.h"
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    static char own[] = "OWN=1";
    STR(getenv("POSIX"));
    STR(getenv("MISSING"));
    SHOW(setenv("A", "1", 0));
    SHOW(setenv("A", "2", 0));
    STR(getenv("A"));
    SHOW(setenv("A", "3", 1));
    STR(getenv("A"));
    SHOW(setenv("", "x", 1));
    SHOW(setenv("B=C", "x", 1));
    SHOW(putenv(own));
    own[4] = '2';
    STR(getenv("OWN"));
    SHOW(unsetenv("A"));
    STR(getenv("A"));
    int found = 0;
    for (char **e = environ; *e != NULL; e++)
        found += strncmp(*e, "OWN=", 4) == 0;
    VAL(found);
    SHOW(clearenv());
    STR(getenv("POSIX"));
    return 0;
}
