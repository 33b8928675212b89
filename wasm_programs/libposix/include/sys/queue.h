/* The BSD list macros: singly and doubly linked lists, simple and tail queues. */
#ifndef LIBPOSIX_SYS_QUEUE_H
#define LIBPOSIX_SYS_QUEUE_H

/* Singly-linked list. */
#define SLIST_HEAD(name, type)                                                                                         \
    struct name {                                                                                                      \
        struct type *slh_first;                                                                                        \
    }
#define SLIST_HEAD_INITIALIZER(head) {0}
#define SLIST_ENTRY(type)                                                                                              \
    struct {                                                                                                           \
        struct type *sle_next;                                                                                         \
    }
#define SLIST_FIRST(head) ((head)->slh_first)
#define SLIST_NEXT(e, field) ((e)->field.sle_next)
#define SLIST_EMPTY(head) (SLIST_FIRST(head) == 0)
#define SLIST_INIT(head) (SLIST_FIRST(head) = 0)
#define SLIST_FOREACH(e, head, field) for ((e) = SLIST_FIRST(head); (e); (e) = SLIST_NEXT(e, field))
#define SLIST_FOREACH_SAFE(e, head, field, next)                                                                       \
    for ((e) = SLIST_FIRST(head); (e) && ((next) = SLIST_NEXT(e, field), 1); (e) = (next))
#define SLIST_INSERT_HEAD(head, e, field)                                                                              \
    do {                                                                                                               \
        SLIST_NEXT(e, field) = SLIST_FIRST(head);                                                                      \
        SLIST_FIRST(head) = (e);                                                                                       \
    } while (0)
#define SLIST_INSERT_AFTER(at, e, field)                                                                               \
    do {                                                                                                               \
        SLIST_NEXT(e, field) = SLIST_NEXT(at, field);                                                                  \
        SLIST_NEXT(at, field) = (e);                                                                                   \
    } while (0)
#define SLIST_REMOVE_HEAD(head, field) (SLIST_FIRST(head) = SLIST_NEXT(SLIST_FIRST(head), field))
#define SLIST_REMOVE_AFTER(at, field) (SLIST_NEXT(at, field) = SLIST_NEXT(SLIST_NEXT(at, field), field))
#define SLIST_REMOVE(head, e, type, field)                                                                             \
    do {                                                                                                               \
        struct type **__at = &SLIST_FIRST(head);                                                                       \
        while (*__at != (e))                                                                                           \
            __at = &SLIST_NEXT(*__at, field);                                                                          \
        *__at = SLIST_NEXT(e, field);                                                                                  \
    } while (0)

/* Doubly-linked list. */
#define LIST_HEAD(name, type)                                                                                          \
    struct name {                                                                                                      \
        struct type *lh_first;                                                                                         \
    }
#define LIST_HEAD_INITIALIZER(head) {0}
#define LIST_ENTRY(type)                                                                                               \
    struct {                                                                                                           \
        struct type *le_next;                                                                                          \
        struct type **le_prev;                                                                                         \
    }
#define LIST_FIRST(head) ((head)->lh_first)
#define LIST_NEXT(e, field) ((e)->field.le_next)
#define LIST_EMPTY(head) (LIST_FIRST(head) == 0)
#define LIST_INIT(head) (LIST_FIRST(head) = 0)
#define LIST_FOREACH(e, head, field) for ((e) = LIST_FIRST(head); (e); (e) = LIST_NEXT(e, field))
#define LIST_FOREACH_SAFE(e, head, field, next)                                                                        \
    for ((e) = LIST_FIRST(head); (e) && ((next) = LIST_NEXT(e, field), 1); (e) = (next))
#define LIST_INSERT_HEAD(head, e, field)                                                                               \
    do {                                                                                                               \
        if ((LIST_NEXT(e, field) = LIST_FIRST(head)) != 0)                                                             \
            LIST_FIRST(head)->field.le_prev = &LIST_NEXT(e, field);                                                    \
        LIST_FIRST(head) = (e);                                                                                        \
        (e)->field.le_prev = &LIST_FIRST(head);                                                                        \
    } while (0)
#define LIST_INSERT_AFTER(at, e, field)                                                                                \
    do {                                                                                                               \
        if ((LIST_NEXT(e, field) = LIST_NEXT(at, field)) != 0)                                                         \
            LIST_NEXT(at, field)->field.le_prev = &LIST_NEXT(e, field);                                                \
        LIST_NEXT(at, field) = (e);                                                                                    \
        (e)->field.le_prev = &LIST_NEXT(at, field);                                                                    \
    } while (0)
#define LIST_INSERT_BEFORE(at, e, field)                                                                               \
    do {                                                                                                               \
        (e)->field.le_prev = (at)->field.le_prev;                                                                      \
        LIST_NEXT(e, field) = (at);                                                                                    \
        *(at)->field.le_prev = (e);                                                                                    \
        (at)->field.le_prev = &LIST_NEXT(e, field);                                                                    \
    } while (0)
#define LIST_REMOVE(e, field)                                                                                          \
    do {                                                                                                               \
        if (LIST_NEXT(e, field) != 0)                                                                                  \
            LIST_NEXT(e, field)->field.le_prev = (e)->field.le_prev;                                                   \
        *(e)->field.le_prev = LIST_NEXT(e, field);                                                                     \
    } while (0)

/* Simple queue, under both of its names. */
#define STAILQ_HEAD(name, type)                                                                                        \
    struct name {                                                                                                      \
        struct type *stqh_first;                                                                                       \
        struct type **stqh_last;                                                                                       \
    }
#define STAILQ_HEAD_INITIALIZER(head) {0, &(head).stqh_first}
#define STAILQ_ENTRY(type)                                                                                             \
    struct {                                                                                                           \
        struct type *stqe_next;                                                                                        \
    }
#define STAILQ_FIRST(head) ((head)->stqh_first)
#define STAILQ_NEXT(e, field) ((e)->field.stqe_next)
#define STAILQ_EMPTY(head) (STAILQ_FIRST(head) == 0)
#define STAILQ_INIT(head)                                                                                              \
    do {                                                                                                               \
        STAILQ_FIRST(head) = 0;                                                                                        \
        (head)->stqh_last = &STAILQ_FIRST(head);                                                                       \
    } while (0)
#define STAILQ_FOREACH(e, head, field) for ((e) = STAILQ_FIRST(head); (e); (e) = STAILQ_NEXT(e, field))
#define STAILQ_FOREACH_SAFE(e, head, field, next)                                                                      \
    for ((e) = STAILQ_FIRST(head); (e) && ((next) = STAILQ_NEXT(e, field), 1); (e) = (next))
#define STAILQ_INSERT_HEAD(head, e, field)                                                                             \
    do {                                                                                                               \
        if ((STAILQ_NEXT(e, field) = STAILQ_FIRST(head)) == 0)                                                         \
            (head)->stqh_last = &STAILQ_NEXT(e, field);                                                                \
        STAILQ_FIRST(head) = (e);                                                                                      \
    } while (0)
#define STAILQ_INSERT_TAIL(head, e, field)                                                                             \
    do {                                                                                                               \
        STAILQ_NEXT(e, field) = 0;                                                                                     \
        *(head)->stqh_last = (e);                                                                                      \
        (head)->stqh_last = &STAILQ_NEXT(e, field);                                                                    \
    } while (0)
#define STAILQ_INSERT_AFTER(head, at, e, field)                                                                        \
    do {                                                                                                               \
        if ((STAILQ_NEXT(e, field) = STAILQ_NEXT(at, field)) == 0)                                                     \
            (head)->stqh_last = &STAILQ_NEXT(e, field);                                                                \
        STAILQ_NEXT(at, field) = (e);                                                                                  \
    } while (0)
#define STAILQ_REMOVE_HEAD(head, field)                                                                                \
    do {                                                                                                               \
        if ((STAILQ_FIRST(head) = STAILQ_NEXT(STAILQ_FIRST(head), field)) == 0)                                        \
            (head)->stqh_last = &STAILQ_FIRST(head);                                                                   \
    } while (0)
#define STAILQ_REMOVE(head, e, type, field)                                                                            \
    do {                                                                                                               \
        struct type **__at = &STAILQ_FIRST(head);                                                                      \
        while (*__at != (e))                                                                                           \
            __at = &STAILQ_NEXT(*__at, field);                                                                         \
        if ((*__at = STAILQ_NEXT(e, field)) == 0)                                                                      \
            (head)->stqh_last = __at;                                                                                  \
    } while (0)
#define STAILQ_CONCAT(a, b)                                                                                            \
    do {                                                                                                               \
        if (!STAILQ_EMPTY(b)) {                                                                                        \
            *(a)->stqh_last = STAILQ_FIRST(b);                                                                         \
            (a)->stqh_last = (b)->stqh_last;                                                                           \
            STAILQ_INIT(b);                                                                                            \
        }                                                                                                              \
    } while (0)

#define SIMPLEQ_HEAD(name, type)                                                                                       \
    struct name {                                                                                                      \
        struct type *stqh_first;                                                                                       \
        struct type **stqh_last;                                                                                       \
    }
#define SIMPLEQ_HEAD_INITIALIZER(head) STAILQ_HEAD_INITIALIZER(head)
#define SIMPLEQ_ENTRY(type) STAILQ_ENTRY(type)
#define SIMPLEQ_FIRST(head) STAILQ_FIRST(head)
#define SIMPLEQ_NEXT(e, field) STAILQ_NEXT(e, field)
#define SIMPLEQ_EMPTY(head) STAILQ_EMPTY(head)
#define SIMPLEQ_INIT(head) STAILQ_INIT(head)
#define SIMPLEQ_FOREACH(e, head, field) STAILQ_FOREACH(e, head, field)
#define SIMPLEQ_INSERT_HEAD(head, e, field) STAILQ_INSERT_HEAD(head, e, field)
#define SIMPLEQ_INSERT_TAIL(head, e, field) STAILQ_INSERT_TAIL(head, e, field)
#define SIMPLEQ_REMOVE_HEAD(head, field) STAILQ_REMOVE_HEAD(head, field)

/* Tail queue. */
#define TAILQ_HEAD(name, type)                                                                                         \
    struct name {                                                                                                      \
        struct type *tqh_first;                                                                                        \
        struct type **tqh_last;                                                                                        \
    }
#define TAILQ_HEAD_INITIALIZER(head) {0, &(head).tqh_first}
#define TAILQ_ENTRY(type)                                                                                              \
    struct {                                                                                                           \
        struct type *tqe_next;                                                                                         \
        struct type **tqe_prev;                                                                                        \
    }
#define TAILQ_FIRST(head) ((head)->tqh_first)
#define TAILQ_END(head) 0
#define TAILQ_NEXT(e, field) ((e)->field.tqe_next)
#define TAILQ_LAST(head, headname) (*(((struct headname *)((head)->tqh_last))->tqh_last))
#define TAILQ_PREV(e, headname, field) (*(((struct headname *)((e)->field.tqe_prev))->tqh_last))
#define TAILQ_EMPTY(head) (TAILQ_FIRST(head) == 0)
#define TAILQ_INIT(head)                                                                                               \
    do {                                                                                                               \
        TAILQ_FIRST(head) = 0;                                                                                         \
        (head)->tqh_last = &TAILQ_FIRST(head);                                                                         \
    } while (0)
#define TAILQ_FOREACH(e, head, field) for ((e) = TAILQ_FIRST(head); (e); (e) = TAILQ_NEXT(e, field))
#define TAILQ_FOREACH_SAFE(e, head, field, next)                                                                       \
    for ((e) = TAILQ_FIRST(head); (e) && ((next) = TAILQ_NEXT(e, field), 1); (e) = (next))
#define TAILQ_FOREACH_REVERSE(e, head, headname, field)                                                                \
    for ((e) = TAILQ_LAST(head, headname); (e); (e) = TAILQ_PREV(e, headname, field))
#define TAILQ_FOREACH_REVERSE_SAFE(e, head, headname, field, prev)                                                     \
    for ((e) = TAILQ_LAST(head, headname); (e) && ((prev) = TAILQ_PREV(e, headname, field), 1); (e) = (prev))
#define TAILQ_INSERT_HEAD(head, e, field)                                                                              \
    do {                                                                                                               \
        if ((TAILQ_NEXT(e, field) = TAILQ_FIRST(head)) != 0)                                                           \
            TAILQ_FIRST(head)->field.tqe_prev = &TAILQ_NEXT(e, field);                                                 \
        else                                                                                                           \
            (head)->tqh_last = &TAILQ_NEXT(e, field);                                                                  \
        TAILQ_FIRST(head) = (e);                                                                                       \
        (e)->field.tqe_prev = &TAILQ_FIRST(head);                                                                      \
    } while (0)
#define TAILQ_INSERT_TAIL(head, e, field)                                                                              \
    do {                                                                                                               \
        TAILQ_NEXT(e, field) = 0;                                                                                      \
        (e)->field.tqe_prev = (head)->tqh_last;                                                                        \
        *(head)->tqh_last = (e);                                                                                       \
        (head)->tqh_last = &TAILQ_NEXT(e, field);                                                                      \
    } while (0)
#define TAILQ_INSERT_AFTER(head, at, e, field)                                                                         \
    do {                                                                                                               \
        if ((TAILQ_NEXT(e, field) = TAILQ_NEXT(at, field)) != 0)                                                       \
            TAILQ_NEXT(e, field)->field.tqe_prev = &TAILQ_NEXT(e, field);                                              \
        else                                                                                                           \
            (head)->tqh_last = &TAILQ_NEXT(e, field);                                                                  \
        TAILQ_NEXT(at, field) = (e);                                                                                   \
        (e)->field.tqe_prev = &TAILQ_NEXT(at, field);                                                                  \
    } while (0)
#define TAILQ_INSERT_BEFORE(at, e, field)                                                                              \
    do {                                                                                                               \
        (e)->field.tqe_prev = (at)->field.tqe_prev;                                                                    \
        TAILQ_NEXT(e, field) = (at);                                                                                   \
        *(at)->field.tqe_prev = (e);                                                                                   \
        (at)->field.tqe_prev = &TAILQ_NEXT(e, field);                                                                  \
    } while (0)
#define TAILQ_REMOVE(head, e, field)                                                                                   \
    do {                                                                                                               \
        if (TAILQ_NEXT(e, field) != 0)                                                                                 \
            TAILQ_NEXT(e, field)->field.tqe_prev = (e)->field.tqe_prev;                                                \
        else                                                                                                           \
            (head)->tqh_last = (e)->field.tqe_prev;                                                                    \
        *(e)->field.tqe_prev = TAILQ_NEXT(e, field);                                                                   \
    } while (0)
#define TAILQ_REPLACE(head, e, by, field)                                                                              \
    do {                                                                                                               \
        if ((TAILQ_NEXT(by, field) = TAILQ_NEXT(e, field)) != 0)                                                       \
            TAILQ_NEXT(by, field)->field.tqe_prev = &TAILQ_NEXT(by, field);                                            \
        else                                                                                                           \
            (head)->tqh_last = &TAILQ_NEXT(by, field);                                                                 \
        (by)->field.tqe_prev = (e)->field.tqe_prev;                                                                    \
        *(by)->field.tqe_prev = (by);                                                                                  \
    } while (0)
#define TAILQ_CONCAT(a, b, field)                                                                                      \
    do {                                                                                                               \
        if (!TAILQ_EMPTY(b)) {                                                                                         \
            *(a)->tqh_last = TAILQ_FIRST(b);                                                                           \
            TAILQ_FIRST(b)->field.tqe_prev = (a)->tqh_last;                                                            \
            (a)->tqh_last = (b)->tqh_last;                                                                             \
            TAILQ_INIT(b);                                                                                             \
        }                                                                                                              \
    } while (0)

#endif
