/* A read lock wants a descriptor open for reading, a write lock one for writing. */
#include "show.h"
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int w = open("f", O_CREAT | O_WRONLY, 0644), r = open("f", O_RDONLY), p[2];
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(r, F_SETLK, &l));
    SHOW(fcntl(w, F_SETLK, &l));
    l.l_type = F_RDLCK;
    SHOW(fcntl(w, F_SETLK, &l));
    SHOW(fcntl(r, F_SETLK, &l));
    pipe(p);
    SHOW(fcntl(p[0], F_SETLK, &l));
    return 0;
}
