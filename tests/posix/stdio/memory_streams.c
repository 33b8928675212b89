/* open_memstream and fmemopen. */
#include "show.h"
#include <stdlib.h>

int main(void) {
    char *text = NULL, b[16] = {0};
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "%s-%d", "a", 5);
    fflush(f);
    STR(text);
    VAL(size);
    fclose(f);
    f = fmemopen("one two", 7, "r");
    SHOW(fscanf(f, "%15s", b));
    STR(b);
    SHOW(fscanf(f, "%15s", b));
    STR(b);
    SHOW(fscanf(f, "%15s", b));
    fclose(f);
    return 0;
}
