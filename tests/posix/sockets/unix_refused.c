/* What programs do with Unix-domain sockets that have names. */
#include "show.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(void) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    VAL(sizeof a.sun_path);
    strcpy(a.sun_path, "sock");
    OK(socket(AF_UNIX, SOCK_STREAM, 0));
    VAL(SUN_LEN(&a));
    return 0;
}
