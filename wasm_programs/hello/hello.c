/* hello: the smallest guest. Shows arguments, environment, standard streams and the exit code.
 *
 *   hello [--cat] [--exit N] [WORD...]
 *
 * Prints a greeting, its arguments and the variable GREETING when it is set; --cat then copies standard input to
 * standard output; --exit N ends with code N (default 0). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Copies until end of file; 0 when all of it arrived. */
static int copy_input(void) {
    char buffer[4096];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
        if (n == 0)
            return 0;
        if (n < 0) {
            perror("hello: read standard input");
            return 1;
        }
        for (ssize_t done = 0; done < n;) {
            ssize_t written = write(STDOUT_FILENO, buffer + done, (size_t)(n - done));
            if (written < 0) {
                perror("hello: write standard output");
                return 1;
            }
            done += written;
        }
    }
}

int main(int argc, char **argv) {
    int code = 0, cat = 0;

    printf("hello from a guest\n");
    for (int i = 1; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    const char *greeting = getenv("GREETING");
    if (greeting != NULL)
        printf("GREETING: %s\n", greeting);

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cat") == 0) {
            cat = 1;
        } else if (strcmp(argv[i], "--exit") == 0) {
            char *end = NULL;
            long value = i + 1 < argc ? strtol(argv[++i], &end, 10) : -1;
            if (end == NULL || *end != '\0' || end == argv[i] || value < 0 || value > 255) {
                fprintf(stderr, "hello: --exit wants a number from 0 to 255\n");
                return 2;
            }
            code = (int)value;
        }
    }
    if (fflush(stdout) != 0)
        return 1;
    if (cat && copy_input() != 0)
        return 1;
    return code;
}
