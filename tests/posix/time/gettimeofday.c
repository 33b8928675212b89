/* gettimeofday agrees with time, and fills the zone. */
#include "show.h"
#include <sys/time.h>
#include <time.h>

int main(void) {
    struct timeval tv;
    struct timezone tz = {77, 77};
    time_t t = time(NULL), u;
    SHOW(gettimeofday(&tv, &tz));
    VAL(tv.tv_sec >= t && tv.tv_sec <= t + 5), VAL(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
    VAL(tz.tz_minuteswest), VAL(tz.tz_dsttime);
    t = time(&u);
    VAL(t == u);
    VAL(t > 1500000000);
    return 0;
}
