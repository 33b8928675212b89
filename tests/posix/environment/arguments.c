/* Arguments, and getopt with its permutations. */
#include "show.h"
#include <getopt.h>
#include <unistd.h>

int main(int argc, char **argv) {
    VAL(argc);
    STR(argv[1]);
    STR(argv[2]);
    VAL(argv[argc] == NULL);
    char *words[] = {"p", "-a", "file", "-b", "value", "--long=5", "--", "-c", NULL};
    struct option longs[] = {{"long", required_argument, NULL, 'l'}, {0}};
    int c;
    while ((c = getopt_long(8, words, "ab:c", longs, NULL)) != -1)
        printf("%c %s\n", c, optarg == NULL ? "-" : optarg);
    for (int i = optind; i < 8; i++)
        STR(words[i]);
    return 0;
}
