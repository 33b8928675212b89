/* syslog: to standard error, a line a message, as `<13>name[pid]: text` reads without its number. There is no logger to
 * send it to; whoever runs the program keeps its standard error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static const char *name;
static int options, mask = 0xff;

void openlog(const char *ident, int option, int facility) {
    (void)facility;
    name = ident;
    options = option;
}

void closelog(void) { name = NULL; }

int setlogmask(int new_mask) {
    int old = mask;
    if (new_mask != 0)
        mask = new_mask;
    return old;
}

void vsyslog(int priority, const char *format, va_list arguments) {
    char text[1024], when[32], pid[16] = "";
    int error = errno; /* %m, which this libc's printf has too, is the error of the caller */
    if (!(mask & LOG_MASK(LOG_PRI(priority))))
        return;
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%b %e %T", &parts);
    if (options & LOG_PID)
        snprintf(pid, sizeof pid, "[%d]", (int)getpid());
    int head = snprintf(text, sizeof text - 1, "%s %s%s: ", when, name != NULL ? name : __libposix_program_name(), pid);
    if (head < 0 || head >= (int)sizeof text - 1)
        head = 0;
    errno = error;
    int body = vsnprintf(text + head, sizeof text - 1 - head, format, arguments);
    if (body < 0)
        return;
    size_t len = head + body < (int)sizeof text - 2 ? (size_t)(head + body) : sizeof text - 2;
    if (len == 0 || text[len - 1] != '\n')
        text[len++] = '\n';
    (void)!write(STDERR_FILENO, text, len);
    errno = error;
}

void syslog(int priority, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsyslog(priority, format, arguments);
    va_end(arguments);
}
