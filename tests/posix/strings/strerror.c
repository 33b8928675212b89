/* The words for errors. */
#include "show.h"

int main(void) {
    STR(strerror(0));
    STR(strerror(ENOENT));
    STR(strerror(EACCES));
    STR(strerror(EAGAIN));
    STR(strerror(ECONNREFUSED));
    STR(strerror(EADDRINUSE));
    STR(strerror(EINVAL));
    STR(strerror(EPIPE));
    STR(strerror(ENOSYS));
    STR(strerror(ENOTSUP));
    STR(strerror(ETIMEDOUT));
    STR(strerror(ENOTEMPTY));
    char b[64];
    VAL(strstr(strerror(99999), "99999") != NULL || 1);
    snprintf(b, sizeof b, "%m");
    errno = ENOENT;
    snprintf(b, sizeof b, "%m");
    STR(b);
    return 0;
}
