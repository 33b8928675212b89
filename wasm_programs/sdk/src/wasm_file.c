// The reader behind wasm_file.h. Every length is checked against what is left: files may be damaged.
#include "wasm_file.h"

#include <stdlib.h>
#include <string.h>

struct cursor {
    const unsigned char *at, *end;
    int bad;
};

static unsigned byte(struct cursor *c) {
    if (c->at >= c->end) {
        c->bad = 1;
        return 0;
    }
    return *c->at++;
}

static uint64_t number(struct cursor *c) { // LEB128; of a signed one the low bits are right
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        unsigned b = byte(c);
        value |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return value;
    }
    c->bad = 1;
    return 0;
}

static void skip(struct cursor *c, uint64_t n) {
    if (n > (uint64_t)(c->end - c->at)) {
        c->bad = 1;
        c->at = c->end;
    } else c->at += n;
}

static const char *text(struct cursor *c, size_t *length) {
    uint64_t n = number(c);
    const char *start = (const char *)c->at;
    skip(c, n);
    *length = c->bad ? 0 : (size_t)n;
    return start;
}

// ---------------------------------------------------------------------------------------------------------------------
// what is gathered while reading

struct name {
    const char *text;
    size_t length;
};

struct list {
    void *items;
    size_t count, room;
};

static void *append(struct list *list, size_t size) {
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        void *more = realloc(list->items, room * size);
        if (!more) return NULL;
        list->items = more;
        list->room = room;
    }
    void *item = (char *)list->items + list->count++ * size;
    memset(item, 0, size);
    return item;
}

struct extent {
    uint32_t address, size;
};

struct reading {
    struct list sections, symbols;
    struct list imports[5]; // of functions, tables, memories, globals, tags
    struct list bodies;     // where each function's code is
    struct list segments;   // where each data segment begins in memory
    int has_linking, bad;
};

static void add_symbol(struct reading *r, const char *name, size_t length, char type, int local, struct extent where) {
    struct symbol *s = append(&r->symbols, sizeof *s);
    if (!s) r->bad = 1;
    else *s = (struct symbol){name, length, type, local, where.address, where.size};
}

static void limits(struct cursor *c) {
    unsigned flags = byte(c);
    number(c);
    if (flags & 1) number(c);
}

static void read_imports(struct cursor *c, struct reading *r) {
    for (uint64_t n = number(c); n > 0 && !c->bad; n--) {
        struct name name;
        size_t ignored;
        text(c, &ignored);
        name.text = text(c, &name.length);
        unsigned kind = byte(c);
        switch (kind) {
        case 0: number(c); break;
        case 1: number(c), limits(c); break;
        case 2: limits(c); break;
        case 3: number(c), byte(c); break;
        case 4: byte(c), number(c); break;
        default: c->bad = 1; return;
        }
        struct name *kept = append(&r->imports[kind], sizeof name);
        if (kept) *kept = name;
        else r->bad = 1;
    }
}

static void read_code(struct cursor *c, struct reading *r) {
    const unsigned char *start = c->at;
    for (uint64_t n = number(c); n > 0 && !c->bad; n--) {
        struct extent *body = append(&r->bodies, sizeof *body);
        if (!body) {
            r->bad = 1;
            return;
        }
        body->address = (uint32_t)(c->at - start);
        body->size = (uint32_t)number(c);
        skip(c, body->size);
    }
}

static void read_data(struct cursor *c, struct reading *r) {
    for (uint64_t n = number(c); n > 0 && !c->bad; n--) {
        struct extent *segment = append(&r->segments, sizeof *segment);
        if (!segment) {
            r->bad = 1;
            return;
        }
        uint64_t flags = number(c);
        if (flags == 2) number(c);
        if (flags != 1) {
            unsigned op = byte(c); // i32.const: anything else is position independent, and has no address
            uint64_t value = number(c);
            if (op == 0x41) segment->address = (uint32_t)value;
            if (byte(c) != 0x0b) c->bad = 1;
        }
        segment->size = (uint32_t)number(c);
        skip(c, segment->size);
    }
}

enum { WEAK = 1, LOCAL = 2, UNDEFINED = 0x10, EXPLICIT_NAME = 0x40 };

static char letter(int defined, uint64_t flags, char upper) {
    if (!defined) return flags & WEAK ? 'w' : 'U';
    if (flags & LOCAL) return (char)(upper + ('a' - 'A'));
    return flags & WEAK ? (upper == 'T' ? 'W' : 'V') : upper;
}

static void read_symbols(struct cursor *c, struct reading *r) {
    for (uint64_t n = number(c); n > 0 && !c->bad && !r->bad; n--) {
        unsigned kind = byte(c);
        uint64_t flags = number(c);
        int defined = !(flags & UNDEFINED);
        struct extent where = {0, 0};
        struct name name = {"", 0};
        static const int space_of[6] = {0, -1, 3, -1, 4, 1};
        if (kind == 1) {
            name.text = text(c, &name.length);
            if (defined) {
                uint64_t segment = number(c), offset = number(c);
                where.size = (uint32_t)number(c);
                where.address = (uint32_t)offset;
                if (segment < r->segments.count) where.address += ((struct extent *)r->segments.items)[segment].address;
            }
        } else if (kind == 3) {
            number(c); // a section: not a name that nm shows
            continue;
        } else if (kind < 6) {
            uint64_t index = number(c);
            struct list *imports = &r->imports[space_of[kind]];
            if (defined || flags & EXPLICIT_NAME) name.text = text(c, &name.length);
            else if (index < imports->count) name = ((struct name *)imports->items)[index];
            if (kind == 0 && defined && index >= imports->count && index - imports->count < r->bodies.count)
                where = ((struct extent *)r->bodies.items)[index - imports->count];
        } else {
            c->bad = 1;
            return;
        }
        add_symbol(r, name.text, name.length, letter(defined, flags, kind == 0 ? 'T' : 'D'), (flags & LOCAL) != 0, where);
    }
}

// What lies behind its own length.
static struct cursor sized_part(struct cursor *c) {
    uint64_t size = number(c);
    struct cursor part = {c->at, c->end, 0};
    skip(c, size);
    part.end = c->at;
    return part;
}

static void read_linking(struct cursor *c, struct reading *r) {
    r->has_linking = 1;
    number(c); // version
    while (c->at < c->end && !c->bad) {
        unsigned kind = byte(c);
        struct cursor part = sized_part(c);
        if (kind == 8) read_symbols(&part, r);
        c->bad |= part.bad;
    }
}

// A linked module has no symbol table: the name section says what its functions are called.
static void read_names(struct cursor *c, struct reading *r) {
    while (c->at < c->end && !c->bad) {
        unsigned kind = byte(c);
        struct cursor part = sized_part(c);
        if (kind != 1) continue;
        for (uint64_t n = number(&part); n > 0 && !part.bad; n--) {
            uint64_t index = number(&part);
            struct name name;
            name.text = text(&part, &name.length);
            if (part.bad) break;
            if (index < r->imports[0].count)
                add_symbol(r, name.text, name.length, 'U', 0, (struct extent){0, 0});
            else if (index - r->imports[0].count < r->bodies.count)
                add_symbol(r, name.text, name.length, 'T', 0, ((struct extent *)r->bodies.items)[index - r->imports[0].count]);
        }
    }
}

static int is(const struct section *s, const char *name) {
    return s->id == 0 && s->name_length == strlen(name) && !memcmp(s->name, name, s->name_length);
}

int read_module(struct bytes bytes, struct module *module) {
    *module = (struct module){0};
    if (bytes.length < 8 || memcmp(bytes.data, "\0asm\1\0\0\0", 8)) return -1;
    struct reading r = {0};
    struct cursor c = {bytes.data + 8, bytes.data + bytes.length, 0};
    while (c.at < c.end && !c.bad && !r.bad) {
        struct section *s = append(&r.sections, sizeof *s);
        if (!s) {
            r.bad = 1;
            break;
        }
        s->start = c.at;
        s->id = (int)byte(&c);
        uint64_t size = number(&c);
        struct cursor body = {c.at, c.end, 0};
        skip(&c, size);
        body.end = s->end = c.at;
        if (s->id > 13) c.bad = 1;
        if (s->id == 0) s->name = text(&body, &s->name_length);
        s->body = body.at;
        if (s->id == 2) read_imports(&body, &r);
        else if (s->id == 10) read_code(&body, &r);
        else if (s->id == 11) read_data(&body, &r);
        else if (is(s, "linking")) read_linking(&body, &r);
        else if (is(s, "name")) read_names(&body, &r);
        c.bad |= body.bad;
    }
    for (size_t i = 0; i < sizeof r.imports / sizeof *r.imports; i++) free(r.imports[i].items);
    free(r.bodies.items);
    free(r.segments.items);
    module->is_object = r.has_linking;
    module->sections = r.sections.items;
    module->section_count = r.sections.count;
    module->symbols = r.symbols.items;
    module->symbol_count = r.symbols.count;
    if (!c.bad && !r.bad) return 0;
    free_module(module);
    return -1;
}

void free_module(struct module *module) {
    free(module->sections);
    free(module->symbols);
    *module = (struct module){0};
}

// ---------------------------------------------------------------------------------------------------------------------
// archives, as GNU and LLVM write them

int is_archive(struct bytes bytes) { return bytes.length >= 8 && !memcmp(bytes.data, "!<arch>\n", 8); }

static size_t decimal(const unsigned char *digits, size_t width) {
    size_t value = 0;
    for (size_t i = 0; i < width && digits[i] >= '0' && digits[i] <= '9'; i++) value = value * 10 + (digits[i] - '0');
    return value;
}

int next_member(struct archive *a, struct member *member) {
    for (;;) {
        if (a->at >= a->bytes.length) return 0;
        if (a->bytes.length - a->at < 60) return -1;
        const unsigned char *header = a->bytes.data + a->at;
        size_t size = decimal(header + 48, 10), start = a->at + 60;
        if (size > a->bytes.length - start) return -1;
        a->at = start + size + (size & 1);
        member->bytes = (struct bytes){a->bytes.data + start, size};
        const char *name = (const char *)header;
        size_t length = 16;
        if (name[0] == '/' && name[1] == '/') {
            a->long_names = member->bytes;
            continue;
        }
        if (name[0] == '/' && (name[1] < '0' || name[1] > '9')) continue; // the table of symbols
        if (name[0] == '/') {
            size_t offset = decimal(header + 1, 15);
            if (offset >= a->long_names.length) return -1;
            name = (const char *)a->long_names.data + offset;
            length = a->long_names.length - offset;
            const char *end = memchr(name, '\n', length);
            if (end) length = (size_t)(end - name);
        } else if (memchr(name, '/', length)) length = (size_t)((const char *)memchr(name, '/', length) - name) + 1;
        while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '/')) length--;
        if (length >= sizeof member->name) length = sizeof member->name - 1;
        memcpy(member->name, name, length);
        member->name[length] = 0;
        return 1;
    }
}
