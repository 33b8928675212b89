/* err.h: messages to standard error, before an exit or not. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void message(const char *format, va_list arguments, const char *reason) {
    fprintf(stderr, "%s: ", __libposix_program_name());
    if (format != NULL)
        vfprintf(stderr, format, arguments);
    if (reason != NULL)
        fprintf(stderr, "%s%s", format != NULL ? ": " : "", reason);
    fputc('\n', stderr);
}

void vwarn(const char *format, va_list arguments) { message(format, arguments, strerror(errno)); }

void vwarnx(const char *format, va_list arguments) { message(format, arguments, NULL); }

void verr(int status, const char *format, va_list arguments) {
    vwarn(format, arguments);
    exit(status);
}

void verrx(int status, const char *format, va_list arguments) {
    vwarnx(format, arguments);
    exit(status);
}

void warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vwarn(format, arguments);
    va_end(arguments);
}

void warnx(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vwarnx(format, arguments);
    va_end(arguments);
}

void err(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    verr(status, format, arguments);
}

void errx(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    verrx(status, format, arguments);
}
