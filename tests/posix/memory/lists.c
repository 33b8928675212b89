/* sys/queue.h: tail queue, list, simple queue. */
#include "show.h"
#include <stdlib.h>
#include <sys/queue.h>

struct item {
    int n;
    TAILQ_ENTRY(item) tail;
    LIST_ENTRY(item) list;
    STAILQ_ENTRY(item) queue;
};

int main(void) {
    TAILQ_HEAD(tails, item) tails = TAILQ_HEAD_INITIALIZER(tails);
    LIST_HEAD(lists, item) lists = LIST_HEAD_INITIALIZER(lists);
    STAILQ_HEAD(queues, item) queues = STAILQ_HEAD_INITIALIZER(queues);
    struct item items[5], *i;
    for (int k = 0; k < 5; k++) {
        items[k].n = k;
        TAILQ_INSERT_TAIL(&tails, &items[k], tail);
        LIST_INSERT_HEAD(&lists, &items[k], list);
        STAILQ_INSERT_TAIL(&queues, &items[k], queue);
    }
    TAILQ_REMOVE(&tails, &items[2], tail);
    TAILQ_INSERT_BEFORE(&items[4], &items[2], tail);
    LIST_REMOVE(&items[0], list);
    STAILQ_REMOVE(&queues, &items[4], item, queue);
    TAILQ_FOREACH (i, &tails, tail)
        printf("tail %d\n", i->n);
    TAILQ_FOREACH_REVERSE (i, &tails, tails, tail)
        printf("back %d\n", i->n);
    LIST_FOREACH (i, &lists, list)
        printf("list %d\n", i->n);
    STAILQ_FOREACH (i, &queues, queue)
        printf("queue %d\n", i->n);
    VAL(TAILQ_LAST(&tails, tails)->n);
    return 0;
}
