/* Reading a directory through a stream. */
#include "show.h"
#include <sys/stat.h>

int main(void) {
    mkdir("d", 0755);
    FILE *f = fopen("d", "r");
    VAL(f != NULL);
    if (f != NULL) {
        SHOW(fgetc(f));
        VAL(ferror(f) != 0);
    }
    return 0;
}
