/* setjmp and longjmp: values, nesting, locals that are volatile. */
#include "show.h"
#include <setjmp.h>

static jmp_buf outer, inner;

static void deep(int n) {
    if (n == 0)
        longjmp(inner, 0);
    deep(n - 1);
}

int main(void) {
    volatile int rounds = 0;
    int v = setjmp(outer);
    VAL(v);
    if (v < 3) {
        rounds++;
        longjmp(outer, v + 1);
    }
    VAL(rounds);
    v = setjmp(inner);
    VAL(v);
    if (v == 0)
        deep(50);
    return 0;
}
