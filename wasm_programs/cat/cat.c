/* cat: prints files of the cell, or appends a line to one. Shows what an imported directory looks like from inside.
 *
 *   cat FILE...
 *   cat --append FILE LINE
 *
 * Ends with code 1 and the reason when a file cannot be opened, read or written. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, const char *path) {
    fprintf(stderr, "cat: %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

static int print(const char *path) {
    char buffer[4096];
    size_t n;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return fail("open", path);
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0)
        if (fwrite(buffer, 1, n, stdout) != n)
            return fail("print", path);
    int failed = ferror(file);
    fclose(file);
    return failed ? fail("read", path) : 0;
}

static int append(const char *path, const char *line) {
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return fail("open", path);
    if (fprintf(file, "%s\n", line) < 0) {
        fclose(file);
        return fail("write", path);
    }
    return fclose(file) == 0 ? 0 : fail("close", path);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--append") == 0)
        return append(argv[2], argv[3]);
    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: cat FILE... | cat --append FILE LINE\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (print(argv[i]) != 0)
            return 1;
    return 0;
}
