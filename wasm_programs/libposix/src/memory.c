/* realloc(NULL, 0) as malloc(0), not NULL. The allocator's own realloc is reached under its other name. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

void *realloc(void *old, size_t size) {
    if (size == 0) {
        if (old == NULL)
            return malloc(0);
        free(old);
        return NULL;
    }
    void *new = reallocarray(old, 1, size);
    if (new == NULL)
        errno = ENOMEM;
    return new;
}
