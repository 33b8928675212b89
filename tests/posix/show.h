/* What the programs of this folder print with. Results are shown beside the text of the call; errors by name, never by
 * number, since numbers differ. Descriptors, ports and times are not shown: they differ too, and may. */
#ifndef SHOW_H
#define SHOW_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static const char *error_name(int error) {
    static const struct {
        int number;
        const char *name;
    } NAMES[] = {
#define NAME(e) {e, #e}
        NAME(E2BIG), NAME(EACCES), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT), NAME(EAGAIN),
        NAME(EALREADY), NAME(EBADF), NAME(EBUSY), NAME(ECHILD), NAME(ECONNABORTED), NAME(ECONNREFUSED),
        NAME(ECONNRESET), NAME(EDEADLK), NAME(EDESTADDRREQ), NAME(EDOM), NAME(EEXIST), NAME(EFAULT), NAME(EFBIG),
        NAME(EHOSTUNREACH), NAME(EILSEQ), NAME(EINPROGRESS), NAME(EINTR), NAME(EINVAL), NAME(EIO), NAME(EISCONN),
        NAME(EISDIR), NAME(ELOOP), NAME(EMFILE), NAME(EMLINK), NAME(EMSGSIZE), NAME(ENAMETOOLONG), NAME(ENETUNREACH),
        NAME(ENFILE), NAME(ENOBUFS), NAME(ENODEV), NAME(ENOENT), NAME(ENOEXEC), NAME(ENOLCK), NAME(ENOMEM),
        NAME(ENOPROTOOPT), NAME(ENOSPC), NAME(ENOSYS), NAME(ENOTCONN), NAME(ENOTDIR), NAME(ENOTEMPTY), NAME(ENOTSOCK),
        NAME(ENOTTY), NAME(ENXIO), NAME(EOPNOTSUPP), NAME(EOVERFLOW), NAME(EPERM), NAME(EPIPE), NAME(EPROTONOSUPPORT),
        NAME(EPROTOTYPE), NAME(ERANGE), NAME(EROFS), NAME(ESPIPE), NAME(ESRCH), NAME(ETIMEDOUT), NAME(ETXTBSY),
        NAME(EXDEV), NAME(ESOCKTNOSUPPORT), NAME(EPFNOSUPPORT),
#undef NAME
    };
    if (error == 0)
        return "no error";
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (NAMES[i].number == error)
            return NAMES[i].name;
    return "another error";
}

__attribute__((unused)) static void show(const char *text, long result) {
    int error = errno;
    if (result == -1)
        printf("%s = -1 %s\n", text, error_name(error));
    else
        printf("%s = %ld\n", text, result);
    errno = error;
}

__attribute__((unused)) static void show_ok(const char *text, int good) {
    int error = errno;
    printf("%s: %s\n", text, good ? "ok" : error_name(error));
    errno = error;
}

/* A number, or the error. */
#define SHOW(call) (errno = 0, show(#call, (long)(call)))
/* Whether a call that gives a descriptor, or 0, worked. */
#define OK(call) (errno = 0, show_ok(#call, (call) >= 0))
/* The same for a pointer. */
#define PTR(call) (errno = 0, show_ok(#call, (call) != NULL))
/* A call that answers the error itself. */
#define ERR(call) printf("%s: %s\n", #call, error_name(call))
/* A value that is no result. */
#define VAL(value) printf("%s is %ld\n", #value, (long)(value))
#define STR(value) printf("%s is \"%s\"\n", #value, (value) == NULL ? "(null)" : (const char *)(value))

__attribute__((unused)) static const char *bits(int events) {
    static char text[80];
    text[0] = '\0';
    if (events & POLLIN)
        strcat(text, " IN");
    if (events & POLLPRI)
        strcat(text, " PRI");
    if (events & POLLOUT)
        strcat(text, " OUT");
    if (events & POLLRDHUP)
        strcat(text, " RDHUP");
    if (events & POLLERR)
        strcat(text, " ERR");
    if (events & POLLHUP)
        strcat(text, " HUP");
    if (events & POLLNVAL)
        strcat(text, " NVAL");
    return text[0] == '\0' ? " nothing" : text;
}
#define BITS(events) printf("%s:%s\n", #events, bits(events))

#endif
