// Reading WebAssembly objects, modules and archives of them: sections and symbols. Nothing is copied, everything points
// into the bytes given. Formats: the core specification, and tool-conventions/Linking.md.
#include <stddef.h>
#include <stdint.h>

struct bytes {
    unsigned char *data;
    size_t length;
};

struct section {
    int id;
    const unsigned char *start, *body, *end; // with its header; of a custom section the body begins after the name
    const char *name;                        // of a custom section
    size_t name_length;
};

struct symbol {
    const char *name;
    size_t length;
    char type; // as nm prints it: T D U w W V and t d for what only this file sees
    int local;
    uint32_t address, size; // offset in the code section, or in memory
};

struct module {
    int is_object;
    struct section *sections;
    size_t section_count;
    struct symbol *symbols;
    size_t symbol_count;
};

struct archive {
    struct bytes bytes;
    size_t at;
    struct bytes long_names;
};

struct member {
    char name[1024];
    struct bytes bytes;
};

int read_module(struct bytes bytes, struct module *module); // -1: this is not WebAssembly, or damaged
void free_module(struct module *module);

int is_archive(struct bytes bytes);
int next_member(struct archive *archive, struct member *member); // 1: here it is, 0: no more, -1: damaged
