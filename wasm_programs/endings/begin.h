#ifndef BEGIN_H
#define BEGIN_H

/* A listener on all addresses of the program; ends the program if there can be none. */
int listen_on(int port, int backlog);

#endif
