/* Loading what is not there. */
#include "show.h"
#include <dlfcn.h>

int main(void) {
    VAL(dlopen("/missing.so", RTLD_NOW) == NULL);
    VAL(dlerror() != NULL);
    VAL(dlerror() == NULL);
    VAL(dlopen(NULL, RTLD_NOW) != NULL);
    return 0;
}
