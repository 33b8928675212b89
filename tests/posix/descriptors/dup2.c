/* dup2 closes what is there; the same number is left alone. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char b[8] = {0};
    int a = open("a", O_CREAT | O_RDWR, 0644), c = open("c", O_CREAT | O_RDWR, 0644);
    write(a, "A", 1);
    write(c, "C", 1);
    VAL(dup2(a, c) == c);
    SHOW(pread(c, b, 1, 0));
    STR(b);
    VAL(dup2(a, a) == a);
    SHOW(dup2(-1, a));
    SHOW(dup2(99, 99));
    SHOW(dup2(a, -1));
    SHOW(dup2(a, 100));
    SHOW(write(100, "x", 1));
    SHOW(dup3(a, a, 0));
    SHOW(dup3(a, 101, O_CLOEXEC));
    SHOW(fcntl(101, F_GETFD));
    SHOW(dup3(a, 102, O_APPEND));
    return 0;
}
