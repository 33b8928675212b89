/* clock and times go on with work, getrusage answers. */
#include "show.h"
#include <sys/resource.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    struct tms t;
    struct rusage r;
    VAL(CLOCKS_PER_SEC);
    VAL(clock() >= 0);
    VAL(times(&t) != (clock_t)-1), VAL(t.tms_cutime);
    VAL(sysconf(_SC_CLK_TCK));
    SHOW(getrusage(RUSAGE_SELF, &r));
    VAL(r.ru_maxrss > 0);
    SHOW(getrusage(RUSAGE_CHILDREN, &r));
    VAL(r.ru_utime.tv_sec);
    SHOW(getrusage(99, &r));
    return 0;
}
