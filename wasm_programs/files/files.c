/* files: walks through the file calls and reports one line per step.
 *
 *   files [DIRECTORY]      default "."
 *
 * Works in DIRECTORY/files.work, which it removes at the end. The report names no time and no inode number, so it is the
 * same on every system that behaves; the first surprise is reported and ends the program with code 1. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void surprise(int line, const char *what) {
    int error = errno;
    printf("SURPRISE at line %d: %s (errno: %s)\n", line, what, strerror(error));
    fflush(stdout);
    exit(1);
}

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            surprise(__LINE__, #condition);                                                                            \
    } while (0)

/* The call must fail, with this error. */
#define EXPECT_ERROR(call, error)                                                                                      \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        EXPECT((call) == -1 && errno == (error));                                                                      \
    } while (0)

static void report(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void put(int fd, const char *text) { EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text)); }

static void write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    EXPECT(fd >= 0);
    put(fd, text);
    EXPECT(close(fd) == 0);
}

/* The file must hold exactly this text. */
static void expect_content(const char *path, const char *text) {
    char buffer[256];
    int fd = open(path, O_RDONLY);
    EXPECT(fd >= 0);
    ssize_t n = read(fd, buffer, sizeof buffer);
    EXPECT(n == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)n) == 0);
    EXPECT(read(fd, buffer, sizeof buffer) == 0);
    EXPECT(close(fd) == 0);
}

static long size_of(const char *path) {
    struct stat st;
    EXPECT(stat(path, &st) == 0);
    return (long)st.st_size;
}

static void creating(void) {
    int fd = open("a", O_WRONLY | O_CREAT | O_EXCL, 0644);
    EXPECT(fd >= 0);
    put(fd, "hello");
    EXPECT(close(fd) == 0);
    EXPECT_ERROR(open("a", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
    EXPECT_ERROR(open("none", O_RDONLY), ENOENT);
    expect_content("a", "hello");
    report("create: size %ld", size_of("a"));

    fd = open("a", O_WRONLY | O_APPEND);
    EXPECT(fd >= 0);
    put(fd, " world");
    EXPECT(lseek(fd, 0, SEEK_SET) == 0);
    put(fd, "!"); /* appends wherever the position is */
    EXPECT(close(fd) == 0);
    expect_content("a", "hello world!");
    report("append: size %ld", size_of("a"));

    write_file("a", "short");
    report("open with O_TRUNC: size %ld", size_of("a"));
}

static void seeking(void) {
    char buffer[16] = {0};
    int fd = open("s", O_RDWR | O_CREAT, 0644);
    EXPECT(fd >= 0);
    put(fd, "0123456789");
    EXPECT(lseek(fd, 0, SEEK_CUR) == 10);
    EXPECT(lseek(fd, 3, SEEK_SET) == 3);
    EXPECT(read(fd, buffer, 4) == 4 && memcmp(buffer, "3456", 4) == 0);
    EXPECT(lseek(fd, -2, SEEK_CUR) == 5);
    EXPECT(lseek(fd, -1, SEEK_END) == 9);
    EXPECT_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
    EXPECT(lseek(fd, 0, SEEK_CUR) == 9);
    report("seek: ok");

    EXPECT(pread(fd, buffer, 3, 2) == 3 && memcmp(buffer, "234", 3) == 0);
    EXPECT(pwrite(fd, "XY", 2, 4) == 2);
    EXPECT(lseek(fd, 0, SEEK_CUR) == 9); /* neither moves the position */
    EXPECT(pread(fd, buffer, 16, 100) == 0);
    expect_content("s", "0123XY6789");
    report("pread, pwrite: ok");

    EXPECT(lseek(fd, 5, SEEK_END) == 15);
    put(fd, "end");
    EXPECT(pread(fd, buffer, 8, 10) == 8 && memcmp(buffer, "\0\0\0\0\0end", 8) == 0);
    report("hole: size %ld", size_of("s"));

    EXPECT(ftruncate(fd, 4) == 0 && size_of("s") == 4);
    EXPECT(ftruncate(fd, 6) == 0);
    EXPECT(pread(fd, buffer, 16, 0) == 6 && memcmp(buffer, "0123\0\0", 6) == 0);
    report("truncate: size %ld", size_of("s"));
    EXPECT(fsync(fd) == 0 && fdatasync(fd) == 0);
    EXPECT(close(fd) == 0);
    EXPECT_ERROR(close(fd), EBADF);
    EXPECT_ERROR(read(fd, buffer, 1), EBADF);
    report("sync, close: ok");
}

static void permissions_of_descriptors(void) {
    char byte;
    int fd = open("a", O_RDONLY);
    EXPECT(fd >= 0);
    EXPECT(write(fd, "x", 1) == -1 && (errno == EBADF || errno == EPERM));
    EXPECT(close(fd) == 0);
    fd = open("a", O_WRONLY);
    EXPECT(fd >= 0);
    EXPECT(read(fd, &byte, 1) == -1 && (errno == EBADF || errno == EPERM));
    EXPECT(close(fd) == 0);
    report("read-only and write-only: ok");
}

static void directories(void) {
    struct stat st;
    EXPECT(mkdir("d", 0755) == 0);
    EXPECT_ERROR(mkdir("d", 0755), EEXIST);
    EXPECT(mkdir("d/e", 0755) == 0);
    EXPECT(stat("d", &st) == 0 && S_ISDIR(st.st_mode));
    EXPECT(stat("a", &st) == 0 && S_ISREG(st.st_mode));
    EXPECT_ERROR(open("a/x", O_RDONLY), ENOTDIR);
    EXPECT_ERROR(open("d", O_WRONLY), EISDIR);
    EXPECT_ERROR(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
    EXPECT_ERROR(rmdir("d"), ENOTEMPTY);
    EXPECT_ERROR(rmdir("a"), ENOTDIR);
    EXPECT(unlink("d") == -1 && (errno == EISDIR || errno == EPERM));
    EXPECT(rmdir("d/e") == 0 && rmdir("d") == 0);
    EXPECT_ERROR(rmdir("d"), ENOENT);
    report("mkdir, rmdir: ok");
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void listing(void) {
    enum { FILES = 300 };
    char name[32], *names[FILES];
    int count = 0, dots = 0;
    struct dirent *entry;

    EXPECT(mkdir("many", 0755) == 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "many/file%03d", i);
        write_file(name, "");
    }
    DIR *dir = opendir("many");
    EXPECT(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            dots++;
            continue;
        }
        EXPECT(count < FILES);
        EXPECT((names[count++] = strdup(entry->d_name)) != NULL);
    }
    qsort(names, (size_t)count, sizeof *names, by_name);
    EXPECT(dots == 2);
    report("readdir: %d entries, %s to %s", count, names[0], names[count - 1]);
    rewinddir(dir);
    EXPECT(readdir(dir) != NULL);
    EXPECT(closedir(dir) == 0);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "many/%s", names[i]);
        EXPECT(unlink(name) == 0);
        free(names[i]);
    }
    EXPECT(rmdir("many") == 0);
    report("readdir: removed");
}

static void renaming(void) {
    struct stat before, after;
    write_file("old", "one");
    write_file("target", "two");
    EXPECT(stat("old", &before) == 0);
    EXPECT(rename("old", "target") == 0);
    EXPECT(stat("target", &after) == 0 && before.st_ino == after.st_ino);
    EXPECT_ERROR(stat("old", &before), ENOENT);
    expect_content("target", "one");
    EXPECT_ERROR(rename("old", "x"), ENOENT);
    EXPECT(mkdir("dir", 0755) == 0);
    EXPECT_ERROR(rename("target", "dir"), EISDIR);
    EXPECT(rename("target", "dir/moved") == 0);
    EXPECT_ERROR(rename("dir", "dir/inside"), EINVAL);
    EXPECT(rename("dir", "dir2") == 0);
    expect_content("dir2/moved", "one");
    EXPECT(unlink("dir2/moved") == 0 && rmdir("dir2") == 0);
    report("rename: ok");
}

static void links(void) {
    char target[32];
    struct stat st;
    EXPECT(symlink("a", "link") == 0);
    EXPECT_ERROR(symlink("a", "link"), EEXIST);
    EXPECT(readlink("link", target, sizeof target) == 1 && target[0] == 'a');
    EXPECT(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
    EXPECT(stat("link", &st) == 0 && S_ISREG(st.st_mode));
    expect_content("link", "short");
    EXPECT(symlink("nowhere", "dangling") == 0);
    EXPECT_ERROR(stat("dangling", &st), ENOENT);
    EXPECT(symlink("loop", "loop") == 0);
    EXPECT_ERROR(open("loop", O_RDONLY), ELOOP);
    EXPECT_ERROR(readlink("a", target, sizeof target), EINVAL);
    EXPECT(unlink("link") == 0 && unlink("dangling") == 0 && unlink("loop") == 0);
    expect_content("a", "short");
    report("symlink: ok");

    EXPECT(link("a", "hard") == 0);
    EXPECT(stat("hard", &st) == 0 && st.st_nlink == 2);
    EXPECT(unlink("hard") == 0);
    EXPECT(stat("a", &st) == 0 && st.st_nlink == 1);
    report("link: ok");
}

static void removing(void) {
    char buffer[8];
    write_file("gone", "still");
    int fd = open("gone", O_RDWR);
    EXPECT(fd >= 0);
    EXPECT(unlink("gone") == 0);
    EXPECT_ERROR(unlink("gone"), ENOENT);
    EXPECT_ERROR(open("gone", O_RDONLY), ENOENT);
    EXPECT(read(fd, buffer, sizeof buffer) == 5 && memcmp(buffer, "still", 5) == 0);
    put(fd, " here");
    struct stat st;
    EXPECT(fstat(fd, &st) == 0 && st.st_size == 10);
    EXPECT(close(fd) == 0);
    report("unlink while open: ok");
}

static void times(void) {
    struct stat st;
    const struct timespec set[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_sec = 2000, .tv_nsec = 7}};
    EXPECT(utimensat(AT_FDCWD, "a", set, 0) == 0);
    EXPECT(stat("a", &st) == 0);
    EXPECT(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 7);
    write_file("a", "new");
    EXPECT(stat("a", &st) == 0 && st.st_mtim.tv_sec != 2000);
    report("times: ok");
}

int main(int argc, char **argv) {
    const char *base = argc > 1 ? argv[1] : ".";
    char work[1024];
    snprintf(work, sizeof work, "%s/files.work", base);
    EXPECT(mkdir(work, 0755) == 0);
    EXPECT(chdir(work) == 0);

    creating();
    seeking();
    permissions_of_descriptors();
    directories();
    listing();
    renaming();
    links();
    removing();
    times();

    EXPECT(unlink("a") == 0 && unlink("s") == 0);
    EXPECT(chdir("..") == 0);
    EXPECT(rmdir("files.work") == 0);
    report("files: all as expected");
    return 0;
}
