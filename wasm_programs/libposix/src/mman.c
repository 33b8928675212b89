/* Memory maps: anonymous ones are memory, private ones of files are memory that the file was read into. A shared map of
 * a file is refused: what is written to it could not reach the file at the same moment. Protection is not there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { PAGE = 65536 };

static size_t whole_pages(size_t length) { return (length + PAGE - 1) & ~(size_t)(PAGE - 1); }

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    (void)address, (void)protection;
    int kind = flags & MAP_TYPE, anonymous = flags & MAP_ANONYMOUS;
    struct stat stat;
    int error = 0;
    if (length == 0 || (kind != MAP_PRIVATE && kind != MAP_SHARED) || (flags & MAP_FIXED) || offset % 4096 != 0)
        error = EINVAL;
    else if (length > SIZE_MAX - PAGE)
        error = ENOMEM;
    else if (!anonymous && fstat(fd, &stat) < 0)
        error = EBADF;
    else if (!anonymous && kind == MAP_SHARED && (protection & PROT_WRITE))
        error = ENODEV;
    char *memory = error == 0 ? aligned_alloc(PAGE, whole_pages(length)) : NULL;
    if (memory == NULL) {
        errno = error != 0 ? error : ENOMEM;
        return MAP_FAILED;
    }
    size_t done = 0;
    while (!anonymous && done < length) {
        ssize_t n = pread(fd, memory + done, length - done, offset + done);
        if (n < 0) {
            error = errno == ESPIPE || errno == EISDIR ? ENODEV : errno == EBADF ? EACCES : errno;
            free(memory);
            errno = error;
            return MAP_FAILED;
        }
        if (n == 0)
            break;
        done += n;
    }
    memset(memory + done, 0, whole_pages(length) - done);
    return memory;
}

/* A whole map is given back; of a part only the content goes, since the allocator cannot split. */
int munmap(void *address, size_t length) {
    if (length == 0 || (uintptr_t)address % PAGE != 0)
        return fail(EINVAL);
    if (malloc_usable_size(address) >= whole_pages(length) && malloc_usable_size(address) < whole_pages(length) + PAGE)
        free(address);
    return 0;
}

static int in_memory(const void *address, size_t length) {
    return (uintptr_t)address % 4096 != 0 ? fail(EINVAL)
           : (uint64_t)(uintptr_t)address + length > (uint64_t)__builtin_wasm_memory_size(0) * PAGE ? fail(ENOMEM)
                                                                                                     : 0;
}

int mprotect(void *address, size_t length, int protection) {
    (void)protection;
    return in_memory(address, length);
}

int msync(void *address, size_t length, int flags) {
    return flags & ~(MS_ASYNC | MS_SYNC | MS_INVALIDATE) ? fail(EINVAL) : in_memory(address, length);
}

int madvise(void *address, size_t length, int advice) {
    if (in_memory(address, length) < 0)
        return -1;
    if (advice == MADV_DONTNEED)
        memset(address, 0, length);
    return 0;
}

int posix_madvise(void *address, size_t length, int advice) {
    (void)advice;
    return in_memory(address, length) < 0 ? errno : 0;
}

int mincore(void *address, size_t length, unsigned char *resident) {
    if (in_memory(address, length) < 0)
        return -1;
    memset(resident, 1, (length + 4095) / 4096);
    return 0;
}

void *mremap(void *old, size_t old_length, size_t length, int flags, ...) {
    if (whole_pages(length) <= whole_pages(old_length))
        return old;
    void *memory = flags & MREMAP_MAYMOVE ? mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
                                          : MAP_FAILED;
    if (memory == MAP_FAILED) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    memcpy(memory, old, old_length);
    munmap(old, old_length);
    return memory;
}

int remap_file_pages(void *address, size_t length, int protection, size_t page, int flags) {
    (void)address, (void)length, (void)protection, (void)page, (void)flags;
    return fail(ENOSYS);
}

int memfd_create(const char *name, unsigned flags) {
    (void)name;
    char path[] = "/tmp/memfd_XXXXXX";
    int fd = mkostemp(path, flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* Nothing is ever paged out. */
int mlock(const void *address, size_t length) {
    (void)address, (void)length;
    return 0;
}

int mlock2(const void *address, size_t length, unsigned flags) {
    (void)flags;
    return mlock(address, length);
}

int munlock(const void *address, size_t length) { return mlock(address, length); }

int mlockall(int flags) {
    return flags == 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ? fail(EINVAL) : 0;
}

int munlockall(void) { return 0; }

int shm_open(const char *name, int flags, mode_t mode) {
    (void)name, (void)flags, (void)mode;
    return fail(ENOSYS);
}

int shm_unlink(const char *name) {
    (void)name;
    return fail(ENOENT);
}
