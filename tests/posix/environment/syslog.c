/* syslog does not disturb: errno stays, nothing on standard output. */
#include "show.h"
#include <syslog.h>

int main(void) {
    openlog("test", LOG_PID, LOG_DAEMON);
    errno = ENOENT;
    syslog(LOG_INFO, "message %d %s", 1, "text");
    printf("%s\n", error_name(errno));
    VAL(setlogmask(LOG_UPTO(LOG_ERR)));
    VAL(setlogmask(0));
    closelog();
    return 0;
}
