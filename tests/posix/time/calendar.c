/* gmtime, timegm, mktime, strftime: UTC. */
#include "show.h"
#include <time.h>

int main(void) {
    char b[64];
    time_t times[] = {0, 951782400, 1709208000, 4102444799, -1};
    struct tm tm;
    tzset();
    for (int i = 0; i < 5; i++) {
        gmtime_r(&times[i], &tm);
        strftime(b, sizeof b, "%Y-%m-%d %H:%M:%S %a %j %U", &tm);
        printf("%s\n", b);
        VAL(timegm(&tm) == times[i]);
        localtime_r(&times[i], &tm);
        VAL(mktime(&tm) == times[i]), VAL(tm.tm_gmtoff), VAL(tm.tm_isdst);
    }
    tm = (struct tm){.tm_year = 124, .tm_mon = 13, .tm_mday = 32};
    VAL(timegm(&tm));
    VAL(tm.tm_mon), VAL(tm.tm_mday);
    VAL(timezone), VAL(daylight);
    STR(strptime("2024-02-29 12:34:56", "%Y-%m-%d %H:%M:%S", &tm));
    VAL(tm.tm_hour);
    STR(asctime(&tm));
    return 0;
}
