/* Locales: those that every machine has; and one that has no name. */
#include "show.h"
#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

int main(void) {
    STR(setlocale(LC_ALL, NULL));
    STR(setlocale(LC_ALL, "POSIX"));
    VAL(MB_CUR_MAX);
    STR(setlocale(LC_ALL, "C.UTF-8"));
    STR(setlocale(LC_CTYPE, NULL));
    VAL(mblen("\xc3\xa4", 2));
    VAL(MB_CUR_MAX > 1);
    VAL(setlocale(LC_ALL, "xx_YY.nowhere") == NULL);
    STR(setlocale(LC_ALL, NULL));
    VAL(setlocale(LC_NUMERIC, "pt_BR.nowhere") == NULL);
    STR(localeconv()->decimal_point);
    VAL(setlocale(99, "C") == NULL);
    STR(setlocale(LC_TIME, "C"));
    STR(setlocale(LC_ALL, "C"));
    VAL(newlocale(LC_ALL_MASK, "xx_YY.nowhere", NULL) == NULL);
    locale_t one = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    VAL(one != NULL);
    VAL(uselocale(one) == LC_GLOBAL_LOCALE);
    VAL(mblen("\xc3\xa4", 2));
    uselocale(LC_GLOBAL_LOCALE);
    freelocale(one);
    VAL(mblen("\xc3\xa4", 2));
    setenv("LC_ALL", "C", 1);
    STR(setlocale(LC_ALL, ""));
    setenv("LC_ALL", "C.UTF-8", 1);
    STR(setlocale(LC_CTYPE, ""));
    return 0;
}
