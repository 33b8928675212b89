/* Users and groups of the process: always root, user 0 of group 0, in no other group. To become who one is succeeds; to
 * become somebody else is refused with EPERM; nothing here checks who anybody is. */
#include <grp.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "internal.h"

uid_t getuid(void) { return 0; }

uid_t geteuid(void) { return 0; }

gid_t getgid(void) { return 0; }

gid_t getegid(void) { return 0; }

/* (uid_t)-1 means: leave it as it is. */
static int become(uid_t id) { return id == 0 || id == (uid_t)-1 ? 0 : fail(EPERM); }

static int be(uid_t id) { return id == 0 ? 0 : fail(id == (uid_t)-1 ? EINVAL : EPERM); }

int setuid(uid_t id) { return be(id); }

int seteuid(uid_t id) { return be(id); }

int setgid(gid_t id) { return be(id); }

int setegid(gid_t id) { return be(id); }

int setreuid(uid_t real, uid_t effective) { return become(real) < 0 ? -1 : become(effective); }

int setregid(gid_t real, gid_t effective) { return become(real) < 0 ? -1 : become(effective); }

int setresuid(uid_t real, uid_t effective, uid_t saved) {
    return setreuid(real, effective) < 0 ? -1 : become(saved);
}

int setresgid(gid_t real, gid_t effective, gid_t saved) {
    return setregid(real, effective) < 0 ? -1 : become(saved);
}

int getresuid(uid_t *real, uid_t *effective, uid_t *saved) {
    *real = *effective = *saved = 0;
    return 0;
}

int getresgid(gid_t *real, gid_t *effective, gid_t *saved) {
    *real = *effective = *saved = 0;
    return 0;
}

int getgroups(int room, gid_t groups[]) {
    if (room < 0)
        return fail(EINVAL);
    if (room > 0)
        groups[0] = 0;
    return 1;
}

int setgroups(size_t n, const gid_t *groups) {
    (void)groups;
    return n > 65536 ? fail(EINVAL) : 0;
}

int initgroups(const char *user, gid_t group) {
    (void)user, (void)group;
    return 0;
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n) {
    (void)user;
    int room = *n;
    *n = 1;
    if (room < 1)
        return -1;
    groups[0] = group;
    return 1;
}

int issetugid(void) { return 0; }

int getlogin_r(char *name, size_t len) {
    if (len < sizeof "root")
        return ERANGE;
    memcpy(name, "root", sizeof "root");
    return 0;
}

char *getlogin(void) {
    static char name[] = "root";
    return name;
}
