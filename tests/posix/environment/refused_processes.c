/* What a program without children is told. */
#include "show.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int status;
    SHOW(waitpid(-1, &status, WNOHANG));
    SHOW(wait(&status));
    SHOW(waitpid(1234567, &status, 0));
    SHOW(execl("/missing", "missing", NULL));
    VAL(getpid() > 0);
    VAL(getpgid(0) == getpgrp());
    SHOW(getpgid(999999));
    SHOW(getsid(999999));
    return 0;
}
