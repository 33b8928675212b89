/* Root and nobody, by name and by number. */
#include "show.h"
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

int main(void) {
    char b[1024];
    struct passwd p, *found;
    struct passwd *u = getpwnam("root");
    VAL(u != NULL && u->pw_uid == 0 && u->pw_gid == 0);
    u = getpwuid(0);
    STR(u->pw_name);
    PTR(getpwnam("no such user"));
    ERR(getpwnam_r("root", &p, b, sizeof b, &found));
    VAL(found == &p);
    ERR(getpwnam_r("no such user", &p, b, sizeof b, &found));
    VAL(found == NULL);
    ERR(getpwnam_r("root", &p, b, 4, &found));
    VAL(getpwnam("nobody") != NULL);
    struct group *g = getgrgid(0);
    STR(g->gr_name);
    VAL(getgrnam("root") != NULL);
    VAL(g->gr_mem != NULL);
    SHOW(setuid(getuid()));
    SHOW(setgid(getgid()));
    SHOW(seteuid(geteuid()));
    VAL(getgroups(0, NULL) >= 0);
    SHOW(setuid(-1));
    return 0;
}
