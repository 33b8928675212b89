/* malloc(0), realloc(NULL, 0), aligned blocks and sizes that cannot be. */
#include "show.h"
#include <stdint.h>
#include <stdlib.h>

int main(void) {
    void *p = NULL;
    volatile size_t huge = SIZE_MAX - 100000;
    VAL(malloc(0) != NULL);
    VAL(realloc(NULL, 0) != NULL);
    void *volatile large;
    PTR(large = malloc(huge));
    PTR(large = calloc(huge, 4));
    PTR(large = realloc(NULL, huge));
    VAL(posix_memalign(&p, 4096, 100));
    VAL((uintptr_t)p % 4096);
    ERR(posix_memalign(&p, 3, 100));
    char *c = malloc(10);
    strcpy(c, "kept");
    c = realloc(c, 100000);
    STR(c);
    int *z = calloc(1000, 4);
    VAL(z[0] + z[999]);
    free(NULL);
    return 0;
}
