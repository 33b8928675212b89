/* open and dup take the lowest free number. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int a = dup(0), b = dup(0), c = dup(0);
    VAL(b - a), VAL(c - b);
    close(b);
    VAL(open("f", O_CREAT | O_RDWR, 0644) == b);
    close(a);
    close(c);
    VAL(dup(0) == a);
    VAL(dup(0) == c);
    return 0;
}
