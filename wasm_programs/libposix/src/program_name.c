/* The name of the program, from its first argument; wasi-libc leaves its own variables for it empty. */
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "internal.h"

const char *__libposix_program_name(void) {
    static const char *name;
    size_t count, bytes;
    if (name != NULL)
        return name;
    name = "program";
    if (__wasi_args_sizes_get(&count, &bytes) != 0 || count == 0)
        return name;
    uint8_t **words = malloc(count * sizeof *words), *text = malloc(bytes);
    if (words != NULL && text != NULL && __wasi_args_get(words, text) == 0) {
        const char *first = (char *)words[0], *slash = strrchr(first, '/');
        name = slash != NULL ? slash + 1 : first;
    } else {
        free(text);
    }
    free(words);
    return name;
}
