/* atexit in reverse, buffers flushed, the status cut to a byte. */
#include "show.h"
#include <stdlib.h>

static void first(void) { printf("first\n"); }

static void second(void) { printf("second\n"); }

int main(void) {
    SHOW(atexit(first));
    SHOW(atexit(second));
    printf("no end of line before the end");
    exit(7);
}
