/* getline and getdelim, and a last line without its end. */
#include "show.h"
#include <stdlib.h>

int main(void) {
    FILE *f = fopen("f", "w+");
    fputs("short\n", f);
    for (int i = 0; i < 500; i++)
        fputc('x', f);
    fputs("\nend", f);
    rewind(f);
    char *line = NULL;
    size_t room = 0;
    SHOW(getline(&line, &room, f));
    STR(line);
    SHOW(getline(&line, &room, f));
    SHOW(getline(&line, &room, f));
    STR(line);
    SHOW(getline(&line, &room, f));
    return 0;
}
