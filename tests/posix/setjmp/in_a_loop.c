/* As Lua has it: each protected call in its own buffer. */
#include "show.h"
#include <setjmp.h>

static jmp_buf *handler;

static int protect(void (*f)(int), int n) {
    jmp_buf here, *before = handler;
    handler = &here;
    int status = setjmp(here);
    if (status == 0)
        f(n);
    handler = before;
    return status;
}

static void thrower(int n) {
    if (n > 0)
        printf("inner %d\n", protect(thrower, n - 1));
    longjmp(*handler, n + 10);
}

int main(void) {
    for (int i = 0; i < 3; i++)
        printf("outer %d\n", protect(thrower, i));
    return 0;
}
