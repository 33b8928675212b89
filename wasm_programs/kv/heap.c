/* The heap: first fit in two levels of size classes, neighbours that are free are joined.
 *
 * The allocator of a libc may round every block up to a power of two and keep what is freed for blocks of that size. A
 * store whose memory is bounded cannot live with that: what is deleted must make room for whatever comes next, and it has
 * to know, before a command changes anything, whether there is room (heap_ensure).
 *
 *     block  | size of the one before, when that is free | own size, flags | bytes …  |
 *     free   |                                           |                 | links …  |
 */
#include "kv.h"

#include <string.h>
#ifndef __wasm__
#include <sys/mman.h>
#endif

struct block {
    size_t before; /* belongs to the block before as long as that is used */
    size_t size;   /* from header to header; 0 marks the end of a region */
    struct block *next, *prev;
};

enum {
    WORD = sizeof(size_t),
    ALIGN = 2 * WORD,
    HEADER = 2 * WORD, /* to the bytes; the first word of it costs nothing */
    SMALLEST = sizeof(struct block),
    FREE = 1,
    FREE_BEFORE = 2,
    FLAGS = FREE | FREE_BEFORE,
    LEVELS = 8 * WORD,
    STEPS = 16, /* classes per power of two */
    PAGE = 64 * 1024,
    MOST_TRIES = 64,
    STEP = 1 << 20, /* asked for at a time */
};

static struct block *classes[LEVELS][STEPS];
static size_t levels;          /* bit l: a class of level l is not empty */
static uint16_t steps[LEVELS]; /* bit s of level l: that class is not empty */
static struct block *last;     /* the end of the newest region */

static size_t size_of(const struct block *b) { return b->size & ~(size_t)FLAGS; }
static struct block *at(void *base, size_t offset) { return (struct block *)((char *)base + offset); }
static struct block *after(struct block *b) { return at(b, size_of(b)); }
static void *bytes_of(struct block *b) { return (char *)b + HEADER; }
static struct block *block_of(void *p) { return (struct block *)((char *)p - HEADER); }

static unsigned top_bit(size_t n) { return 8 * WORD - 1 - (unsigned)(WORD == 8 ? __builtin_clzll(n) : __builtin_clz((unsigned)n)); }
static unsigned low_bit(size_t n) { return (unsigned)(WORD == 8 ? __builtin_ctzll(n) : __builtin_ctz((unsigned)n)); }

static void class_of(size_t size, unsigned *level, unsigned *step) {
    *level = top_bit(size);
    *step = (unsigned)(size >> (*level - 4)) & (STEPS - 1);
}

/* Marks as free, and tells the neighbour. */
static void put(struct block *b, size_t size) {
    unsigned level, step;
    class_of(size, &level, &step);
    b->size = size | FREE | (b->size & FREE_BEFORE);
    b->prev = NULL;
    b->next = classes[level][step];
    if (b->next != NULL)
        b->next->prev = b;
    classes[level][step] = b;
    levels |= (size_t)1 << level;
    steps[level] |= (uint16_t)(1u << step);
    after(b)->before = size;
    after(b)->size |= FREE_BEFORE;
}

/* Takes a free block out of its class; it is used then. */
static void take(struct block *b) {
    unsigned level, step;
    class_of(size_of(b), &level, &step);
    if (b->next != NULL)
        b->next->prev = b->prev;
    if (b->prev != NULL) {
        b->prev->next = b->next;
    } else {
        classes[level][step] = b->next;
        if (b->next == NULL) {
            steps[level] &= (uint16_t)~(1u << step);
            if (steps[level] == 0)
                levels &= ~((size_t)1 << level);
        }
    }
    b->size &= ~(size_t)FREE;
    after(b)->size &= ~(size_t)FREE_BEFORE;
}

static struct block *find(size_t size) {
    unsigned level, step;
    class_of(size, &level, &step);
    struct block *b = classes[level][step];
    if (b != NULL && size_of(b) >= size)
        return b;
    /* Every block of the next class is large enough. */
    unsigned more = step + 1 < STEPS ? steps[level] >> (step + 1) << (step + 1) : 0;
    if (more == 0) {
        size_t above = level + 1 < LEVELS ? levels >> (level + 1) << (level + 1) : 0;
        if (above == 0) { /* the last resort: one of the same class */
            for (int tries = MOST_TRIES; b != NULL && size_of(b) < size; b = b->next)
                if (--tries == 0)
                    return NULL;
            return b;
        }
        level = low_bit(above);
        more = steps[level];
    }
    return classes[level][low_bit(more)];
}

/* ---- memory from the system -------------------------------------------------------------------------------------- */

static char *more_pages(size_t size) {
#ifdef __wasm__
    size_t pages = __builtin_wasm_memory_grow(0, size / PAGE);
    return pages == SIZE_MAX ? NULL : (char *)(pages * PAGE);
#else
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
#endif
}

/* Frees a used block, joined with free neighbours. */
static void give(struct block *b) {
    size_t size = size_of(b);
    struct block *next = after(b);
    if (next->size & FREE) {
        size += size_of(next);
        take(next);
    }
    if (b->size & FREE_BEFORE) {
        b = at(b, -b->before);
        size += size_of(b);
        take(b);
    }
    put(b, size);
}

/* Adds pages, so that the last free block gets that much larger, or a new one of that size is there. */
static bool grow(size_t size) {
    size_t exact = (size + 4 * HEADER + PAGE - 1) / PAGE * PAGE, wanted = exact > STEP ? exact : STEP;
    char *start = more_pages(wanted);
    if (start == NULL) {
        wanted = exact;
        start = more_pages(wanted);
    }
    if (start == NULL)
        return false;
    struct block *b;
    if (last != NULL && start == (char *)last + HEADER) {
        b = last; /* the end of the region becomes a block */
        wanted += HEADER;
    } else {
        b = (struct block *)start;
        b->size = 0;
    }
    last = at(b, wanted - HEADER);
    last->size = 0;
    b->size = (wanted - HEADER) | (b->size & FREE_BEFORE);
    give(b);
    return true;
}

static size_t block_size(size_t size) {
    size = (size + WORD + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return size < SMALLEST ? SMALLEST : size;
}

/* A free block of at least this size; NULL when there is no memory. */
static struct block *find_or_grow(size_t size) {
    struct block *b = find(size);
    if (b != NULL || size > SIZE_MAX / 4)
        return b;
    size_t tail = last != NULL && last->size & FREE_BEFORE ? last->before : 0;
    /* A little more than enough, so that it is in a class of which every block will do. */
    size_t enough = size + (size >> 4) + ALIGN;
    if (!(tail < enough && grow(enough - tail)) && !grow(size > tail ? size - tail : size))
        return NULL;
    b = find(size);
    if (b == NULL && grow(enough)) /* the pages did not follow the last ones */
        b = find(size);
    return b;
}

/* ---- the interface ----------------------------------------------------------------------------------------------- */

/* Gives back what a used block has beyond this size. */
static void trim(struct block *b, size_t size) {
    size_t rest = size_of(b) - size;
    if (rest < SMALLEST)
        return;
    b->size = size | (b->size & FLAGS);
    struct block *tail = after(b);
    tail->size = rest;
    give(tail);
}

bool heap_ensure(size_t size) {
    if (last != NULL && last->size & FREE_BEFORE && last->before >= size + ALIGN) /* nearly always */
        return true;
    return size <= SIZE_MAX / 4 && find_or_grow(block_size(size)) != NULL;
}

void *heap_alloc(size_t size) {
    if (size > SIZE_MAX / 4)
        return NULL;
    size = block_size(size);
    struct block *b = find_or_grow(size);
    if (b == NULL)
        return NULL;
    take(b);
    trim(b, size);
    return bytes_of(b);
}

void heap_free(void *p) {
    if (p != NULL)
        give(block_of(p));
}

void *heap_again(void *old, size_t size) {
    if (old == NULL)
        return heap_alloc(size);
    if (size > SIZE_MAX / 4)
        return NULL;
    struct block *b = block_of(old), *next = after(b);
    size_t need = block_size(size), had = size_of(b);
    /* At the end of the heap it grows where it is. */
    if (had < need && (next == last || (next->size & FREE && after(next) == last))) {
        size_t there = had + (next == last ? 0 : size_of(next));
        if (there < need && grow(need - there))
            next = after(b);
    }
    if (had < need && next->size & FREE && had + size_of(next) >= need) {
        size_t joined = had + size_of(next);
        take(next);
        b->size = joined | (b->size & FLAGS);
    }
    if (size_of(b) >= need) {
        trim(b, need);
        return old;
    }
    void *p = heap_alloc(size);
    if (p != NULL) {
        memcpy(p, old, had - WORD < size ? had - WORD : size);
        heap_free(old);
    }
    return p;
}
