/* ungetc, fscanf of numbers, and setvbuf. */
#include "show.h"

int main(void) {
    FILE *f = fopen("f", "w+");
    int a = 0, b = 0;
    char w[8];
    SHOW(setvbuf(f, NULL, _IONBF, 0));
    fputs("12 0x1f word", f);
    rewind(f);
    SHOW(fscanf(f, "%d %i %7s", &a, &b, w));
    VAL(a), VAL(b);
    STR(w);
    rewind(f);
    VAL(ungetc(fgetc(f), f) == '1');
    VAL(fgetc(f) == '1');
    flockfile(f);
    VAL(getc_unlocked(f) == '2');
    funlockfile(f);
    return 0;
}
