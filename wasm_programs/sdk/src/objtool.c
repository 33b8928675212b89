// objtool nm|strip|objdump: what the binutils of these names tell and do, for WebAssembly objects, archives and modules.
// Compiled for this machine by `build.sh --sdk`; bin/replicode-nm and its siblings call it.
#include "wasm_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *tool = "objtool";
static int failed;

static int complain(const char *path, const char *what) {
    fflush(stdout);
    fprintf(stderr, "replicode-%s: %s: %s\n", tool, path, what);
    failed = 1;
    return -1;
}

// The whole file, or NULL after a message.
static struct bytes *load(const char *path) {
    static struct bytes bytes;
    FILE *file = fopen(path, "rb");
    if (!file) {
        complain(path, strerror(errno));
        return NULL;
    }
    bytes = (struct bytes){0};
    size_t room = 0;
    for (;;) {
        if (bytes.length == room) {
            unsigned char *more = realloc(bytes.data, room = room ? room * 2 : 1 << 16);
            if (!more) {
                complain(path, "not enough memory");
                fclose(file);
                return NULL;
            }
            bytes.data = more;
        }
        size_t n = fread(bytes.data + bytes.length, 1, room - bytes.length, file);
        if (n == 0) break;
        bytes.length += n;
    }
    fclose(file);
    return &bytes;
}

// ---------------------------------------------------------------------------------------------------------------------
// nm

static struct {
    int file_names, only_global, only_undefined, only_defined, posix, just_names, unsorted, by_address, reverse;
} nm;

static int by_name(const void *a, const void *b) {
    const struct symbol *x = a, *y = b;
    if (nm.by_address && (x->type == 'U') != (y->type == 'U')) return x->type == 'U' ? -1 : 1;
    if (nm.by_address && x->address != y->address) return x->address < y->address ? -1 : 1;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->name, y->name, n);
    return order ? order : x->length < y->length ? -1 : x->length > y->length;
}

static void print_symbol(const char *where, const struct symbol *s) {
    int undefined = s->type == 'U' || s->type == 'w';
    if (nm.only_undefined && !undefined) return;
    if (nm.only_defined && undefined) return;
    if (nm.only_global && s->local) return;
    if (nm.file_names) printf("%s: ", where);
    if (nm.just_names)
        printf("%.*s\n", (int)s->length, s->name);
    else if (nm.posix && undefined)
        printf("%.*s %c\n", (int)s->length, s->name, s->type);
    else if (nm.posix)
        printf("%.*s %c %x %x\n", (int)s->length, s->name, s->type, s->address, s->size);
    else if (undefined)
        printf("         %c %.*s\n", s->type, (int)s->length, s->name);
    else
        printf("%08x %c %.*s\n", s->address, s->type, (int)s->length, s->name);
}

static void nm_one(const char *path, const char *member, struct bytes bytes) {
    struct module module;
    char where[4096];
    snprintf(where, sizeof where, member ? "%s:%s" : "%s", path, member);
    if (read_module(bytes, &module) < 0) {
        complain(where, "file format not recognized");
        return;
    }
    if (module.symbol_count == 0 && !member) complain(where, "no symbols"), failed = 0;
    if (!nm.unsorted) qsort(module.symbols, module.symbol_count, sizeof *module.symbols, by_name);
    for (size_t i = 0; i < module.symbol_count; i++)
        print_symbol(where, &module.symbols[nm.reverse ? module.symbol_count - 1 - i : i]);
    free_module(&module);
}

static void nm_file(const char *path, int headings) {
    struct bytes *bytes = load(path);
    if (!bytes) return;
    if (bytes->length == 0) {
        complain(path, "no symbols");
        failed = 0;
    } else if (is_archive(*bytes)) {
        struct archive archive = {*bytes, 8, {0}};
        struct member member;
        int more;
        while ((more = next_member(&archive, &member)) > 0) {
            if (!nm.file_names && !nm.just_names && nm.posix) printf("%s[%s]:\n", path, member.name);
            else if (!nm.file_names && !nm.just_names) printf("\n%s:\n", member.name);
            nm_one(path, member.name, member.bytes);
        }
        if (more < 0) complain(path, "the archive is cut short");
    } else {
        if (headings && !nm.file_names && !nm.just_names) printf("\n%s:\n", path);
        nm_one(path, NULL, *bytes);
    }
    free(bytes->data);
}

static int nm_option(const char *o) {
    static const struct {
        const char *name, *letters;
    } longer[] = {{"--print-file-name", "A"}, {"--extern-only", "g"}, {"--undefined-only", "u"}, {"--defined-only", "U"},
        {"--portability", "P"}, {"--no-sort", "p"}, {"--numeric-sort", "n"}, {"--reverse-sort", "r"},
        {"--just-symbol-name", "j"}, {"--demangle", "C"}, {"--no-demangle", "C"}, {"--dynamic", "D"}, {"--debug-syms", "a"},
        {"--print-size", "S"}, {"--format=bsd", "B"}, {"--format=posix", "P"}, {"--special-syms", "B"}};
    const char *letters = o + 1;
    if (o[1] == '-') {
        letters = NULL;
        for (size_t i = 0; i < sizeof longer / sizeof *longer; i++)
            if (!strcmp(o, longer[i].name)) letters = longer[i].letters;
        if (!letters) return -1;
    }
    for (; *letters; letters++) switch (*letters) {
        case 'A': case 'o': nm.file_names = 1; break;
        case 'g': nm.only_global = 1; break;
        case 'u': nm.only_undefined = 1; break;
        case 'U': nm.only_defined = 1; break;
        case 'P': nm.posix = 1; break;
        case 'j': nm.just_names = 1; break;
        case 'p': nm.unsorted = 1; break;
        case 'n': case 'v': nm.by_address = 1; break;
        case 'r': nm.reverse = 1; break;
        case 'B': case 'C': case 'D': case 'a': case 'S': case 'l': break;
        default: return -1;
        }
    return 0;
}

static int run_nm(int count, char **words) {
    int files = 0, done = 0;
    for (int i = 0; i < count; i++) {
        if (words[i][0] != '-') files++;
        else if (nm_option(words[i]) < 0) return complain(words[i], "unknown option; see --help");
    }
    for (int i = 0; i < count; i++)
        if (words[i][0] != '-') nm_file(words[i], files > 1), done++;
    if (!done) nm_file("a.out", 0);
    return 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// strip

// Debug information goes. The names of functions stay: without them a trap is `<unknown>`, and nothing else holds them.
static int goes(const struct section *s, char **removed, int removed_count) {
    if (s->id != 0) return 0;
    for (int i = 0; i < removed_count; i++)
        if (strlen(removed[i]) == s->name_length && !memcmp(removed[i], s->name, s->name_length)) return 1;
    return (s->name_length >= 7 && !memcmp(s->name, ".debug_", 7)) ||
           (s->name_length == 16 && !memcmp(s->name, "sourceMappingURL", 16));
}

static int strip_file(const char *path, const char *output, char **removed, int removed_count) {
    struct bytes *bytes = load(path);
    if (!bytes) return -1;
    struct module module = {0};
    int whole = 0;
    // What stands in an object refers to its sections by number, and its debug information goes when it is linked.
    if (is_archive(*bytes)) whole = 1;
    else if (read_module(*bytes, &module) < 0) {
        free(bytes->data);
        return complain(path, "file format not recognized");
    } else whole = module.is_object;

    char part[4096];
    struct stat was;
    snprintf(part, sizeof part, "%s.strip", output);
    FILE *file = stat(path, &was) < 0 ? NULL : fopen(part, "wb");
    if (!file) return complain(output, strerror(errno));
    if (whole) fwrite(bytes->data, 1, bytes->length, file);
    else {
        fwrite(bytes->data, 1, 8, file);
        for (size_t i = 0; i < module.section_count; i++) {
            const struct section *s = &module.sections[i];
            if (!goes(s, removed, removed_count)) fwrite(s->start, 1, (size_t)(s->end - s->start), file);
        }
    }
    int bad = ferror(file);
    if (fclose(file) || bad || chmod(part, was.st_mode & 07777) || rename(part, output)) {
        complain(output, strerror(errno));
        remove(part);
    }
    free_module(&module);
    free(bytes->data);
    return 0;
}

static int run_strip(int count, char **words) {
    const char *output = NULL;
    char *removed[64];
    int removed_count = 0, files = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            char *word = words[i], *value = NULL;
            if (word[0] != '-') {
                if (pass) strip_file(word, output ? output : word, removed, removed_count);
                files++;
                continue;
            }
            int takes = !strcmp(word, "-R") || !strcmp(word, "-o") || !strcmp(word, "-K") || !strcmp(word, "-N") ||
                        !strcmp(word, "-F") || !strcmp(word, "-I") || !strcmp(word, "-O");
            if (takes) value = i + 1 < count ? words[++i] : NULL;
            if (pass) continue;
            if (!strncmp(word, "--remove-section=", 17)) value = word + 17;
            if (takes && !value) return complain(word, "needs a value");
            if (!strcmp(word, "-o")) output = value;
            else if (value && removed_count < 64 && (word[1] == 'R' || word[1] == '-')) removed[removed_count++] = value;
        }
        if (!files) return complain("strip", "no file named");
    }
    return 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// objdump

static const char *const SECTIONS[] = {"custom", "type", "import", "function", "table", "memory", "global", "export", "start",
    "element", "code", "data", "data count", "tag"};

static void describe(const char *path, const char *member, struct bytes bytes, const char *what) {
    struct module module;
    if (read_module(bytes, &module) < 0) {
        complain(path, "file format not recognized");
        return;
    }
    printf("\n%s%s%s:\tfile format wasm (%s)\n", path, member ? ":" : "", member ? member : "",
        module.is_object ? "relocatable object" : "module");
    if (strpbrk(what, "hx")) {
        printf("\nSections:\nIdx Size     Offset   Name\n");
        for (size_t i = 0; i < module.section_count; i++) {
            const struct section *s = &module.sections[i];
            printf("%3zu %08zx %08zx %s%.*s\n", i, (size_t)(s->end - s->start), (size_t)(s->start - bytes.data),
                s->id ? SECTIONS[s->id] : "", s->id ? 0 : (int)s->name_length, (const char *)s->name);
        }
    }
    if (strpbrk(what, "tTx")) {
        printf("\nSYMBOL TABLE:\n");
        for (size_t i = 0; i < module.symbol_count; i++) {
            const struct symbol *s = &module.symbols[i];
            printf("%08x %c %c %.*s\n", s->address, s->local ? 'l' : 'g', s->type, (int)s->length, s->name);
        }
    }
    free_module(&module);
}

static int run_objdump(int count, char **words) {
    char what[64] = "";
    for (int i = 0; i < count; i++) {
        const char *letters = words[i] + 1;
        if (words[i][0] != '-') continue;
        if (!strcmp(words[i], "--section-headers") || !strcmp(words[i], "--headers")) letters = "h";
        else if (!strcmp(words[i], "--syms")) letters = "t";
        else if (!strcmp(words[i], "--all-headers")) letters = "x";
        else if (!strcmp(words[i], "--file-headers")) letters = "f";
        if (letters[strspn(letters, "htTxfpw")])
            return complain(words[i], "shown are -f, -h, -t and -x; for anything else install llvm (llvm-objdump)");
        if (strlen(what) + strlen(letters) < sizeof what) strcat(what, letters);
    }
    if (!*what) return complain("objdump", "say what to show: -h sections, -t symbols, -x both, -d instructions");
    for (int i = 0; i < count; i++) {
        struct bytes *bytes = words[i][0] == '-' ? NULL : load(words[i]);
        if (!bytes) continue;
        if (is_archive(*bytes)) {
            struct archive archive = {*bytes, 8, {0}};
            struct member member;
            while (next_member(&archive, &member) > 0) describe(words[i], member.name, member.bytes, what);
        } else describe(words[i], NULL, *bytes, what);
        free(bytes->data);
    }
    return 0;
}

int main(int count, char **words) {
    if (count >= 2) tool = words[1];
    int result = count < 2                     ? complain("usage", "objtool nm|strip|objdump [OPTION...] FILE...")
                 : !strcmp(tool, "nm")         ? run_nm(count - 2, words + 2)
                 : !strcmp(tool, "strip")      ? run_strip(count - 2, words + 2)
                 : !strcmp(tool, "objdump")    ? run_objdump(count - 2, words + 2)
                                               : complain(tool, "objtool knows nm, strip and objdump");
    if (fflush(stdout)) return 1;
    return result < 0 || failed;
}
