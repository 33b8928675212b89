/* strtol and its kin at their limits; printf of what is large. */
#include "show.h"
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

int main(void) {
    char *end;
    errno = 0;
    VAL(strtoll("9223372036854775808", &end, 10) == LLONG_MAX);
    printf("%s\n", error_name(errno));
    errno = 0;
    VAL(strtoull("0xffffffffffffffff", &end, 16) == UINT64_MAX);
    printf("%s\n", error_name(errno));
    VAL(strtoll("12abc", &end, 10));
    STR(end);
    VAL(strtoll("077", NULL, 0));
    printf("%lld %llu %lld\n", (long long)INT64_MIN, (unsigned long long)UINT64_MAX, (long long)INT64_MAX);
    printf("%.3f %g %e %a\n", 1.0005, 1e20, 123456.789, 0.5);
    printf("[%5d] [%-5d] [%05d] [%+d] [%x] [%#o]\n", 42, 42, 42, 42, 255, 8);
    printf("[%.3s] [%10s] [%-10s] [%c]\n", "abcdef", "right", "left", 'x');
    VAL(snprintf(NULL, 0, "%s", "0123456789"));
    double d = strtod("1e-400", &end);
    printf("%s\n", d < 1e-300 ? "tiny" : "?");
    printf("%s\n", error_name(errno));
    return 0;
}
