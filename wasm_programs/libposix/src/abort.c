/* abort: the program's handler of SIGABRT if it has one, then a trap, which shows the calls that led here. */
#include <stdlib.h>

#include "internal.h"

void (*__libposix_on_abort)(void);

void abort(void) {
    if (__libposix_on_abort != NULL)
        __libposix_on_abort();
    __builtin_trap();
}
