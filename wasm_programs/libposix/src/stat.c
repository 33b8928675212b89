/* What files are like, and changing it: stat, access, chmod, chown. The kernel keeps permission bits and tells them; it
 * refuses nothing because of them, as for root. All files belong to root. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <wasi/api.h>
#include <wasi/libc.h>

#include "internal.h"

static struct timespec spec(__wasi_timestamp_t ns) {
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static mode_t type_of(__wasi_filetype_t type) {
    switch (type) {
    case __WASI_FILETYPE_BLOCK_DEVICE: return S_IFBLK;
    case __WASI_FILETYPE_CHARACTER_DEVICE: return S_IFCHR;
    case __WASI_FILETYPE_DIRECTORY: return S_IFDIR;
    case __WASI_FILETYPE_REGULAR_FILE: return S_IFREG;
    case __WASI_FILETYPE_SOCKET_DGRAM:
    case __WASI_FILETYPE_SOCKET_STREAM: return S_IFSOCK;
    case __WASI_FILETYPE_SYMBOLIC_LINK: return S_IFLNK;
    default: return S_IFIFO; /* preview1 has no number for pipes */
    }
}

static void fill(struct stat *out, const __wasi_filestat_t *in, int32_t mode) {
    *out = (struct stat){
        .st_dev = in->dev,
        .st_ino = in->ino,
        .st_nlink = in->nlink,
        .st_mode = type_of(in->filetype) | (mode < 0 ? 0600 : mode & 07777),
        .st_size = in->size,
        .st_blksize = 4096,
        .st_blocks = (in->size + 511) / 512,
        .st_atim = spec(in->atim),
        .st_mtim = spec(in->mtim),
        .st_ctim = spec(in->ctim),
    };
}

int fstat(int fd, struct stat *out) {
    __wasi_filestat_t in;
    int error = __wasi_fd_filestat_get(fd, &in);
    if (error != 0)
        return fail(error);
    fill(out, &in, replicode_posix_mode(fd, NULL, 0, 0));
    return 0;
}

int fstatat(int dirfd, const char *restrict path, struct stat *restrict out, int flags) {
    struct place place;
    __wasi_filestat_t in;
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return fail(EINVAL);
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH))
        return dirfd == AT_FDCWD ? stat(".", out) : fstat(dirfd, out);
    if (__libposix_locate(dirfd, path, &place) < 0)
        return -1;
    int follow = !(flags & AT_SYMLINK_NOFOLLOW);
    int error = __wasi_path_filestat_get(place.fd, follow ? __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW : 0, place.path, &in);
    if (error != 0)
        return fail(error);
    fill(out, &in, replicode_posix_mode(place.fd, place.path, strlen(place.path), follow));
    return 0;
}

int stat(const char *restrict path, struct stat *restrict out) { return fstatat(AT_FDCWD, path, out, 0); }

int lstat(const char *restrict path, struct stat *restrict out) {
    return fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

int __wasilibc_stat(const char *restrict path, struct stat *restrict out, int flags) {
    return fstatat(AT_FDCWD, path, out, flags);
}

/* Root may do all that the bits forbid, but execute a file that nobody may execute. */
int faccessat(int dirfd, const char *path, int wanted, int flags) {
    struct stat stat;
    if (wanted & ~(R_OK | W_OK | X_OK))
        return fail(EINVAL);
    if (fstatat(dirfd, path, &stat, flags & AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return (wanted & X_OK) && S_ISREG(stat.st_mode) && !(stat.st_mode & 0111) ? fail(EACCES) : 0;
}

int access(const char *path, int wanted) { return faccessat(AT_FDCWD, path, wanted, 0); }

int __wasilibc_access(const char *path, int wanted, int flags) { return faccessat(AT_FDCWD, path, wanted, flags); }

int euidaccess(const char *path, int wanted) { return access(path, wanted); }

int eaccess(const char *path, int wanted) { return access(path, wanted); }

int fchmodat(int dirfd, const char *path, mode_t mode, int flags) {
    struct place place;
    if (flags & ~AT_SYMLINK_NOFOLLOW)
        return fail(EINVAL);
    if (__libposix_locate(dirfd, path, &place) < 0)
        return -1;
    return checked(replicode_posix_chmod(place.fd, place.path, strlen(place.path), !(flags & AT_SYMLINK_NOFOLLOW),
                                         mode & 07777));
}

int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }

int lchmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW); }

int fchmod(int fd, mode_t mode) { return checked(replicode_posix_chmod(fd, NULL, 0, 0, mode & 07777)); }

/* Owners: the file must be there; the rest is forgotten. */
int fchownat(int dirfd, const char *path, uid_t user, gid_t group, int flags) {
    struct stat stat;
    (void)user, (void)group;
    return fstatat(dirfd, path, &stat, flags);
}

int chown(const char *path, uid_t user, gid_t group) { return fchownat(AT_FDCWD, path, user, group, 0); }

int lchown(const char *path, uid_t user, gid_t group) {
    return fchownat(AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW);
}

int fchown(int fd, uid_t user, gid_t group) {
    struct stat stat;
    (void)user, (void)group;
    return fstat(fd, &stat);
}

/* Whether something could be made there: 0, or -1 with what is in the way. */
static int free_place(int dirfd, const char *path) {
    struct stat stat;
    char parent[PATH_MAX];
    if (fstatat(dirfd, path, &stat, AT_SYMLINK_NOFOLLOW) == 0)
        return fail(EEXIST);
    if (errno != ENOENT || path[0] == '\0' || strlen(path) >= sizeof parent)
        return -1;
    char *slash = strrchr(strcpy(parent, path), '/');
    if (slash == NULL)
        return 0;
    slash[slash == parent] = '\0';
    return fstatat(dirfd, parent, &stat, 0);
}

/* Regular files are made; fifos, sockets and devices are refused. */
int mknodat(int dirfd, const char *path, mode_t mode, dev_t device) {
    (void)device;
    if (S_ISREG(mode) || (mode & S_IFMT) == 0) {
        int fd = openat(dirfd, path, O_CREAT | O_EXCL | O_WRONLY, mode & 07777);
        return fd < 0 ? -1 : close(fd);
    }
    if (S_ISDIR(mode))
        return fail(EPERM);
    if (!S_ISFIFO(mode) && !S_ISSOCK(mode) && !S_ISCHR(mode) && !S_ISBLK(mode))
        return fail(EINVAL);
    return free_place(dirfd, path) < 0 ? -1 : fail(EPERM);
}

int mknod(const char *path, mode_t mode, dev_t device) { return mknodat(AT_FDCWD, path, mode, device); }

int mkfifoat(int dirfd, const char *path, mode_t mode) { return mknodat(dirfd, path, S_IFIFO | (mode & 0777), 0); }

int mkfifo(const char *path, mode_t mode) { return mkfifoat(AT_FDCWD, path, mode); }

/* The cell's file system has room as long as its limit lasts, which is told by ENOSPC: large numbers here. */
static int fill_statvfs(struct statvfs *out) {
    memset(out, 0, sizeof *out);
    out->f_bsize = out->f_frsize = 4096;
    out->f_blocks = out->f_bfree = out->f_bavail = 1 << 24;
    out->f_files = out->f_ffree = out->f_favail = 1 << 20;
    out->f_namemax = NAME_MAX;
    return 0;
}

int statvfs(const char *restrict path, struct statvfs *restrict out) {
    struct stat stat_of;
    return stat(path, &stat_of) < 0 ? -1 : fill_statvfs(out);
}

int fstatvfs(int fd, struct statvfs *out) {
    struct stat stat_of;
    return fstat(fd, &stat_of) < 0 ? -1 : fill_statvfs(out);
}
