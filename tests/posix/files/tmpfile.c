/* tmpfile: a stream to read and write, without a name. */
#include "show.h"
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    char b[16] = {0};
    FILE *f = tmpfile();
    VAL(f != NULL);
    SHOW(fputs("hello", f) >= 0);
    rewind(f);
    PTR(fgets(b, sizeof b, f));
    STR(b);
    SHOW(fclose(f));
    return 0;
}
