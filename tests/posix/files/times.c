/* Setting times and reading them back, to the nanosecond. */
#include "show.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

int main(void) {
    struct stat st;
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    struct timespec two[2] = {{1000, 123456789}, {2000, 987654321}};
    SHOW(futimens(fd, two));
    fstat(fd, &st);
    VAL(st.st_atim.tv_sec), VAL(st.st_atim.tv_nsec), VAL(st.st_mtim.tv_sec), VAL(st.st_mtim.tv_nsec);
    struct timespec omit[2] = {{0, UTIME_OMIT}, {3000, 0}};
    SHOW(utimensat(AT_FDCWD, "f", omit, 0));
    stat("f", &st);
    VAL(st.st_atime), VAL(st.st_mtime);
    struct utimbuf old = {77, 88};
    SHOW(utime("f", &old));
    stat("f", &st);
    VAL(st.st_atime), VAL(st.st_mtime);
    struct timeval tv[2] = {{5, 250000}, {6, 500000}};
    SHOW(utimes("f", tv));
    stat("f", &st);
    VAL(st.st_atim.tv_nsec), VAL(st.st_mtim.tv_nsec);
    SHOW(utimes("missing", tv));
    struct timespec wrong[2] = {{0, 2000000000}, {0, 0}};
    SHOW(futimens(fd, wrong));
    return 0;
}
