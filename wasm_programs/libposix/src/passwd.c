/* Users and groups by name and number: from /etc/passwd and /etc/group when the cell has them, else root, nobody, and
 * their groups. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const char USERS[] = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
static const char GROUPS[] = "root:x:0:\nnogroup:x:65534:\n";

static FILE *open_list(const char *path, const char *instead, size_t len) {
    int error = errno;
    FILE *list = fopen(path, "re");
    if (list == NULL) {
        errno = error;
        list = fmemopen((void *)instead, len, "r");
    }
    return list;
}

/* Cuts the next field off a line: up to a colon or the end. */
static char *field(char **rest) {
    char *start = *rest, *colon = start == NULL ? NULL : strchr(start, ':');
    if (start == NULL)
        return "";
    if (colon != NULL)
        *colon++ = '\0';
    *rest = colon;
    return start;
}

/* The next line that is none, into `text`; 0 at the end, ERANGE when it does not fit. */
static int line(FILE *list, char *text, size_t room) {
    while (fgets(text, room, list) != NULL) {
        size_t len = strlen(text);
        if (len == 0 || text[len - 1] != '\n') {
            if (!feof(list))
                return ERANGE;
        } else {
            text[--len] = '\0';
        }
        if (len > 0 && text[0] != '#')
            return -1;
    }
    return 0;
}

/* One user. -1: read; 0: no more; else the error. */
static int next_user(FILE *list, struct passwd *user, char *text, size_t room) {
    int result = line(list, text, room);
    if (result >= 0)
        return result;
    char *rest = text;
    user->pw_name = field(&rest);
    user->pw_passwd = field(&rest);
    user->pw_uid = strtoul(field(&rest), NULL, 10);
    user->pw_gid = strtoul(field(&rest), NULL, 10);
    user->pw_gecos = field(&rest);
    user->pw_dir = field(&rest);
    user->pw_shell = field(&rest);
    return -1;
}

/* One group; its members' pointers stand behind the text. */
static int next_group(FILE *list, struct group *group, char *text, size_t room) {
    int result = line(list, text, room);
    if (result >= 0)
        return result;
    size_t used = (strlen(text) + 1 + sizeof(char *) - 1) & ~(sizeof(char *) - 1);
    char *rest = text, *name, **member = (char **)(void *)(text + used);
    group->gr_name = field(&rest);
    group->gr_passwd = field(&rest);
    group->gr_gid = strtoul(field(&rest), NULL, 10);
    group->gr_mem = member;
    char *names = field(&rest);
    while ((name = strsep(&names, ",")) != NULL) {
        if (name[0] == '\0')
            continue;
        if ((size_t)((char *)(member + 2) - text) > room)
            return ERANGE;
        *member++ = name;
    }
    if ((size_t)((char *)(member + 1) - text) > room)
        return ERANGE;
    *member = NULL;
    return -1;
}

static int find_user(const char *name, uid_t id, struct passwd *user, char *text, size_t room, struct passwd **found) {
    *found = NULL;
    FILE *list = open_list("/etc/passwd", USERS, sizeof USERS - 1);
    if (list == NULL)
        return errno;
    int result;
    while ((result = next_user(list, user, text, room)) < 0)
        if (name != NULL ? strcmp(user->pw_name, name) == 0 : user->pw_uid == id) {
            *found = user;
            result = 0;
            break;
        }
    fclose(list);
    return result;
}

static int find_group(const char *name, gid_t id, struct group *group, char *text, size_t room, struct group **found) {
    *found = NULL;
    FILE *list = open_list("/etc/group", GROUPS, sizeof GROUPS - 1);
    if (list == NULL)
        return errno;
    int result;
    while ((result = next_group(list, group, text, room)) < 0)
        if (name != NULL ? strcmp(group->gr_name, name) == 0 : group->gr_gid == id) {
            *found = group;
            result = 0;
            break;
        }
    fclose(list);
    return result;
}

int getpwnam_r(const char *name, struct passwd *user, char *text, size_t room, struct passwd **found) {
    return find_user(name, 0, user, text, room, found);
}

int getpwuid_r(uid_t id, struct passwd *user, char *text, size_t room, struct passwd **found) {
    return find_user(NULL, id, user, text, room, found);
}

int getgrnam_r(const char *name, struct group *group, char *text, size_t room, struct group **found) {
    return find_group(name, 0, group, text, room, found);
}

int getgrgid_r(gid_t id, struct group *group, char *text, size_t room, struct group **found) {
    return find_group(NULL, id, group, text, room, found);
}

static char user_text[1024], group_text[4096];
static struct passwd the_user;
static struct group the_group;

static void *result_of(int error, void *found) {
    if (error != 0)
        errno = error;
    return found;
}

struct passwd *getpwnam(const char *name) {
    struct passwd *found;
    return result_of(find_user(name, 0, &the_user, user_text, sizeof user_text, &found), found);
}

struct passwd *getpwuid(uid_t id) {
    struct passwd *found;
    return result_of(find_user(NULL, id, &the_user, user_text, sizeof user_text, &found), found);
}

struct group *getgrnam(const char *name) {
    struct group *found;
    return result_of(find_group(name, 0, &the_group, group_text, sizeof group_text, &found), found);
}

struct group *getgrgid(gid_t id) {
    struct group *found;
    return result_of(find_group(NULL, id, &the_group, group_text, sizeof group_text, &found), found);
}

static FILE *users, *groups;

static void rewind_list(FILE **list) {
    if (*list != NULL)
        fclose(*list);
    *list = NULL;
}

void setpwent(void) { rewind_list(&users); }

void endpwent(void) { rewind_list(&users); }

void setgrent(void) { rewind_list(&groups); }

void endgrent(void) { rewind_list(&groups); }

struct passwd *getpwent(void) {
    if (users == NULL && (users = open_list("/etc/passwd", USERS, sizeof USERS - 1)) == NULL)
        return NULL;
    return next_user(users, &the_user, user_text, sizeof user_text) < 0 ? &the_user : NULL;
}

struct group *getgrent(void) {
    if (groups == NULL && (groups = open_list("/etc/group", GROUPS, sizeof GROUPS - 1)) == NULL)
        return NULL;
    return next_group(groups, &the_group, group_text, sizeof group_text) < 0 ? &the_group : NULL;
}
