/* readlink into too little room cuts off and does not end with zero. */
#include "show.h"
#include <unistd.h>

int main(void) {
    char b[8] = "-------";
    symlink("0123456789", "l");
    SHOW(readlink("l", b, 4));
    STR(b);
    return 0;
}
