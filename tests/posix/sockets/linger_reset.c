/* SO_LINGER with no time: close resets at once. */
#include "show.h"
#include "loopback.h"
#include <unistd.h>

int main(void) {
    char b[4];
    int l, c;
    loopback(&l, &c);
    int s = accept(l, NULL, NULL);
    struct linger none = {1, 0};
    SHOW(setsockopt(c, SOL_SOCKET, SO_LINGER, &none, sizeof none));
    close(c);
    usleep(50000);
    SHOW(recv(s, b, 4, 0));
    SHOW(recv(s, b, 4, 0));
    return 0;
}
