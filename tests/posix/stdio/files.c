/* fopen's modes, and what fails. */
#include "show.h"
#include <sys/stat.h>

int main(void) {
    char b[32] = {0};
    mkdir("d", 0755);
    PTR(fopen("missing", "r"));
    PTR(fopen("d", "w"));
    PTR(fopen("f", "zzz"));
    FILE *f = fopen("f", "w");
    SHOW(fputs("line one\nline two\n", f) >= 0);
    SHOW(fclose(f));
    PTR(fopen("f", "wx"));
    f = fopen("f", "r+");
    PTR(fgets(b, sizeof b, f));
    STR(b);
    SHOW(ftell(f));
    SHOW(fseek(f, 0, SEEK_END));
    SHOW(fputs("three\n", f) >= 0);
    rewind(f);
    int lines = 0;
    while (fgets(b, sizeof b, f))
        lines++;
    VAL(lines), VAL(feof(f) != 0), VAL(ferror(f));
    SHOW(fclose(f));
    f = fopen("f", "a");
    SHOW(fprintf(f, "%d", 4));
    SHOW(ftell(f));
    fclose(f);
    f = fopen("f", "r");
    VAL(fputc('x', f));
    VAL(ferror(f) != 0);
    SHOW(fseek(f, -100, SEEK_SET));
    return 0;
}
