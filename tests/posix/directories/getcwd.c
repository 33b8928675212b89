/* getcwd: into too little room, and into none. */
#include "show.h"
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    char b[1];
    PTR(getcwd(b, 1));
    PTR(getcwd(b, 0));
    PTR(getcwd(NULL, 0));
    char *whole = getcwd(NULL, 0);
    VAL(whole[0] == '/');
    PTR(get_current_dir_name());
    return 0;
}
