/* flock: shared by dup, not by a second open. */
#include "show.h"
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int main(void) {
    int a = open("f", O_CREAT | O_RDWR, 0644), b = open("f", O_RDWR), c = dup(a);
    SHOW(flock(a, LOCK_EX));
    SHOW(flock(c, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(c, LOCK_SH));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    SHOW(flock(a, LOCK_UN));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    close(b);
    SHOW(flock(a, LOCK_EX | LOCK_NB));
    SHOW(flock(a, 77));
    SHOW(flock(-1, LOCK_EX));
    return 0;
}
