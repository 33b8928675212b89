/* Dynamic loading: a program is one module and its symbols have no names at run time. */
#include <dlfcn.h>
#include <stddef.h>

#include "internal.h"

static char *last;

/* dlopen(NULL) gives the program itself, in which nothing is found. */
static int self;

void *dlopen(const char *file, int flags) {
    (void)flags;
    if (file == NULL)
        return &self;
    last = "dynamic loading is not available: a replicode program is one module";
    return NULL;
}

void *dlsym(void *restrict library, const char *restrict name) {
    (void)library, (void)name;
    last = "symbol not found: a replicode program has none at run time";
    return NULL;
}

int dlclose(void *library) {
    if (library == &self)
        return 0;
    last = "not a library";
    return -1;
}

char *dlerror(void) {
    char *text = last;
    last = NULL;
    return text;
}

int dladdr(const void *address, Dl_info *info) {
    (void)address, (void)info;
    return 0;
}
