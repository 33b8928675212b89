/* Where the functions that read whole numbers stop, and what they say of too large ones. */
#include "show.h"
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <wchar.h>

static const char *const TEXTS[] = {
    "12ab", " \t\n\v\f\r-7", "+5", "- 5", "+-5", "", " ", "-", "0x", "0x1fg", "0xg", "-0x10", "0b1", "010", "08", "z", "Zz!",
    "99999999999999999999999x", "-99999999999999999999999x", "18446744073709551615.", "18446744073709551616.", "-18446744073709551615",
    "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "\xa0" "1",
};

int main(void) {
    const int bases[] = {0, 10, 16, 8, 36, 1, 37};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++) {
            int known = bases[b] != 1 && bases[b] <= 36;
            char *end = NULL;
            errno = 0;
            long long value = strtoll(TEXTS[i], &end, bases[b]);
            printf("%zu in %d: %lld at %d", i, bases[b], value, known ? (int)(end - TEXTS[i]) : 0);
            printf("%s, ", errno == ERANGE ? " ERANGE" : known ? "" : error_name(errno));
            errno = 0;
            end = NULL;
            unsigned long long large = strtoull(TEXTS[i], &end, bases[b]);
            printf("%llu at %d%s\n", large, known ? (int)(end - TEXTS[i]) : 0, errno == ERANGE ? " ERANGE" : "");
        }
    wchar_t *end;
    errno = 0;
    printf("wide: %lld", wcstoll(L"99999999999999999999999x", &end, 10));
    printf(" then %c%s\n", (int)*end, errno == ERANGE ? " ERANGE" : "");
    printf("atoi %d %d %d atoll %lld\n", atoi(" 42x"), atoi("-"), atoi("+7"), atoll("-9223372036854775808"));
    printf("imax %" PRIdMAX " %" PRIuMAX "\n", strtoimax("-12", NULL, 0), strtoumax("0x10", NULL, 0));

    /* Which characters are what, in the C locale. */
    int (*volatile kinds[])(int) = {isalnum, isalpha, isblank, iscntrl, isdigit, isgraph, islower, isprint, ispunct, isspace, isupper, isxdigit};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        unsigned sum = 0;
        for (int c = -1; c < 256; c++)
            sum = sum * 31 + (kinds[k](c) != 0);
        printf("kind %zu: %x\n", k, sum);
    }
    int (*volatile lower)(int) = tolower, (*volatile upper)(int) = toupper;
    for (int c = -1; c < 256; c++)
        if (lower(c) != c || upper(c) != c)
            printf("case %d: %d %d\n", c, lower(c), upper(c));
    return 0;
}
