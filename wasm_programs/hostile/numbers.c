/* Numbers that mean nothing, or too much: descriptors, flags, sizes, counts. */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char scratch[256];
static const char file[] = "hostile.tmp";

static void bad_descriptor(uint32_t fd) {
    ptr out = at(scratch);
    uint32_t len = 16;
    const uint32_t iov[2] = {at(scratch), 4};

    EXPECT("fd_advise", p1_fd_advise(fd, 0, 0, 0), EBADF);
    EXPECT("fd_allocate", p1_fd_allocate(fd, 0, 1), EBADF);
    EXPECT("fd_close", p1_fd_close(fd), EBADF);
    EXPECT("fd_datasync", p1_fd_datasync(fd), EBADF);
    EXPECT("fd_fdstat_get", p1_fd_fdstat_get(fd, out), EBADF);
    EXPECT("fd_fdstat_set_flags", p1_fd_fdstat_set_flags(fd, 0), EBADF);
    EXPECT("fd_filestat_get", p1_fd_filestat_get(fd, out), EBADF);
    EXPECT("fd_filestat_set_size", p1_fd_filestat_set_size(fd, 0), EBADF);
    EXPECT("fd_filestat_set_times", p1_fd_filestat_set_times(fd, 0, 0, 0), EBADF);
    EXPECT("fd_pread", p1_fd_pread(fd, at(iov), 1, 0, out), EBADF);
    EXPECT("fd_prestat_get", p1_fd_prestat_get(fd, out), EBADF);
    EXPECT("fd_prestat_dir_name", p1_fd_prestat_dir_name(fd, out, 1), EBADF);
    EXPECT("fd_pwrite", p1_fd_pwrite(fd, at(iov), 1, 0, out), EBADF);
    EXPECT("fd_read", p1_fd_read(fd, at(iov), 1, out), EBADF);
    EXPECT("fd_readdir", p1_fd_readdir(fd, out, 64, 0, out), EBADF);
    EXPECT("fd_renumber, from", p1_fd_renumber(fd, ROOT), EBADF);
    EXPECT("fd_seek", p1_fd_seek(fd, 0, 0, out), EBADF);
    EXPECT("fd_sync", p1_fd_sync(fd), EBADF);
    EXPECT("fd_tell", p1_fd_tell(fd, out), EBADF);
    EXPECT("fd_write", p1_fd_write(fd, at(iov), 1, out), EBADF);
    EXPECT("path_create_directory", p1_path_create_directory(fd, at("x"), 1), EBADF);
    EXPECT("path_filestat_get", p1_path_filestat_get(fd, 0, at("x"), 1, out), EBADF);
    EXPECT("path_open", p1_path_open(fd, 0, at("x"), 1, 0, 2, 0, 0, out), EBADF);
    EXPECT("path_readlink", p1_path_readlink(fd, at("x"), 1, out, 8, out), EBADF);
    EXPECT("path_rename", p1_path_rename(fd, at("x"), 1, ROOT, at("y"), 1), EBADF);
    EXPECT("path_symlink", p1_path_symlink(at("x"), 1, fd, at("y"), 1), EBADF);
    EXPECT("path_unlink_file", p1_path_unlink_file(fd, at("x"), 1), EBADF);
    EXPECT("path_remove_directory", p1_path_remove_directory(fd, at("x"), 1), EBADF);
    EXPECT("sock_accept", p1_sock_accept(fd, 0, out), EBADF);
    EXPECT("sock_recv", p1_sock_recv(fd, at(iov), 1, 0, out, out), EBADF);
    EXPECT("sock_send", p1_sock_send(fd, at(iov), 1, 0, out), EBADF);
    EXPECT("sock_shutdown", p1_sock_shutdown(fd, 3), EBADF);

    int32_t s = (int32_t)fd;
    EXPECT("bind", sock_bind(s, out, 16), EBADF);
    EXPECT("listen", sock_listen(s, 1), EBADF);
    EXPECT("accept", sock_accept(s, 0, 0, 0), EBADF);
    EXPECT("connect", sock_connect(s, out, 16), EBADF);
    EXPECT("send", sock_send(s, out, 4, 0), EBADF);
    EXPECT("recv", sock_recv(s, out, 4, 0), EBADF);
    EXPECT("shutdown", sock_shutdown(s, 3), EBADF);
    EXPECT("close", sock_close(s), EBADF);
    EXPECT("getsockname", sock_getsockname(s, out, at(&len)), EBADF);
    EXPECT("getpeername", sock_getpeername(s, out, at(&len)), EBADF);
    EXPECT("getsockopt", sock_getsockopt(s, 0x7fffffff, 3, out, at(&len)), EBADF);
    EXPECT("setsockopt", sock_setsockopt(s, 0x7fffffff, 2, out, 4), EBADF);
}

void case_badf(void) {
    bad_descriptor(4242);
    bad_descriptor(0xffffffff);
    bad_descriptor(0x80000000);
}

void case_fds(void) {
    enum { MANY = 1 << 20 };
    int first = sock_open(1, 6, 0), last = first, fd, count = 1;
    while (count < MANY && (fd = sock_open(1, 6, 0)) >= 0) {
        last = fd;
        count++;
    }
    EXPECT("the table of descriptors is bounded", count == MANY ? 0 : fd, EMFILE);
    uint32_t opened = 77;
    EXPECT("files are counted with sockets",
           p1_path_open(ROOT, 0, at("."), 1, 0, 2, 0, 0, at(&opened)), EMFILE);
    expect_true("descriptors are numbered without gaps", last == first + count - 1);
    int middle = first + count / 2;
    sock_close(middle);
    expect_true("the lowest free number is taken", sock_open(1, 6, 0) == middle);
    for (int i = first; i <= last; i++)
        sock_close(i);
    fd = sock_open(1, 6, 0);
    expect_true("closing gives everything back", fd == first);
    sock_close(fd);
}

void case_renumber(void) {
    uint32_t a = make_file(file), b = make_file("hostile.tmp2");
    EXPECT("onto itself", p1_fd_renumber(a, a), 0);
    EXPECT("onto a descriptor that is not open", p1_fd_renumber(a, 4242), EBADF);
    EXPECT("onto the largest number", p1_fd_renumber(a, 0xffffffff), EBADF);
    EXPECT("from a descriptor that is not open", p1_fd_renumber(4242, a), EBADF);
    p1_fd_seek(a, 5, 0, at(scratch));
    EXPECT("onto another file", p1_fd_renumber(a, b), 0);
    expect_true("it took the other's place", position(b) == 5);
    EXPECT("its old number is free", p1_fd_close(a), EBADF);
    int s = listener(7103);
    EXPECT("a file onto a socket", p1_fd_renumber(b, (uint32_t)s), 0);
    EXPECT("the socket is gone", sock_listen(s, 1), ENOTSOCK);
    expect_true("the file is there", position((uint32_t)s) == 5);
    s = listener(7103);
    expect_true("and so is its port", s >= 0);
    sock_close(s);
    p1_fd_close(b + 1);
    remove_file(file);
    remove_file("hostile.tmp2");
}

void case_random(void) {
    enum { MUCH = 1 << 16 };
    char *buffer = calloc(1, MUCH);
    size_t zeros = 0;
    EXPECT("more than the memory", p1_random_get(at(buffer), 0xffffffff), EFAULT);
    EXPECT("one byte beyond the end", p1_random_get(edge(), 2), EFAULT);
    EXPECT("nothing", p1_random_get(at(buffer), 0), 0);
    expect_true("wrote nothing", buffer[0] == 0);
    EXPECT("64 KiB", p1_random_get(at(buffer), MUCH), 0);
    for (size_t i = 0; i < MUCH; i++)
        zeros += buffer[i] == 0;
    expect_true("looks random", zeros > MUCH / 512 && zeros < MUCH / 128);
    free(buffer);
}

/* Layout of preview1's subscription and event. */
struct subscription {
    uint64_t userdata;
    uint8_t tag, pad[7];
    union {
        struct {
            uint32_t id, pad;
            uint64_t timeout, precision;
            uint16_t flags;
        } clock;
        uint32_t fd;
    } u;
};
struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type, pad[5];
    uint64_t nbytes;
    uint16_t flags;
};
enum { TAG_CLOCK = 0, TAG_READ = 1, TAG_WRITE = 2 };

void case_poll(void) {
    struct event events[4] = {0};
    uint32_t n = 77;
    struct subscription s[2] = {{.tag = 9}, {.tag = TAG_WRITE, .userdata = 5, .u.fd = 1}};

    EXPECT("no subscriptions", p1_poll_oneoff(at(s), at(events), 0, at(&n)), EINVAL);
    EXPECT("more than fit in memory", p1_poll_oneoff(at(s), at(events), 0x0fffffff, at(&n)), EFAULT, EINVAL);
    EXPECT("a count whose size wraps", p1_poll_oneoff(at(s), at(events), 0x55555556, at(&n)), EFAULT, EINVAL);
    EXPECT("an unknown kind", p1_poll_oneoff(at(s), at(events), 1, at(&n)), EINVAL);

    s[0] = (struct subscription){.tag = TAG_READ, .userdata = 3, .u.fd = 4242};
    EXPECT("an unknown descriptor is an event", p1_poll_oneoff(at(s), at(events), 1, at(&n)), 0);
    expect_true("with EBADF in it", n == 1 && events[0].error == EBADF && events[0].userdata == 3);

    s[0] = (struct subscription){.tag = TAG_CLOCK, .u.clock = {.id = 1, .timeout = UINT64_MAX}};
    EXPECT("a timeout that overflows", p1_poll_oneoff(at(s), at(events), 2, at(&n)), 0);
    expect_true("does not hide what is ready", n == 1 && events[0].userdata == 5 && events[0].type == TAG_WRITE);

    s[0] = (struct subscription){.tag = TAG_CLOCK, .u.clock = {.id = 99, .timeout = 1}};
    int error = p1_poll_oneoff(at(s), at(events), 1, at(&n));
    expect_true("an unknown clock", error == EINVAL || (error == 0 && events[0].error == EINVAL));
    EXPECT("an unknown clock, asked", p1_clock_time_get(99, 0, at(scratch)), EINVAL);
}

void case_files(void) {
    enum { LONG = 1 << 20 };
    uint32_t fd = make_file(file), n;
    const uint32_t iov[2] = {at(scratch), 4};
    char *path = malloc(LONG);

    EXPECT("a size of 2^60", p1_fd_filestat_set_size(fd, 1ull << 60), EFBIG, EINVAL, ENOSPC);
    EXPECT("a size of 2^64 - 1", p1_fd_filestat_set_size(fd, UINT64_MAX), EFBIG, EINVAL, ENOSPC);
    EXPECT("allocating 2^60", p1_fd_allocate(fd, 0, 1ull << 60), EFBIG, EINVAL, ENOSPC, ENOTSUP);
    EXPECT("writing at 2^60", p1_fd_pwrite(fd, at(iov), 1, 1ull << 60, at(&n)), EFBIG, EINVAL, ENOSPC);
    EXPECT("writing at 2^64 - 1", p1_fd_pwrite(fd, at(iov), 1, UINT64_MAX, at(&n)), EFBIG, EINVAL, ENOSPC, EOVERFLOW);
    EXPECT("seeking before the start", p1_fd_seek(fd, INT64_MIN, 1, at(scratch)), EINVAL);
    EXPECT("an unknown whence", p1_fd_seek(fd, 0, 9, at(scratch)), EINVAL);
    expect_true("nothing changed", position(fd) == 0);

    memset(path, 'a', LONG);
    EXPECT("a path of 1 MiB", p1_path_open(ROOT, 0, at(path), LONG, 1, 2, 0, 0, at(&n)), ENAMETOOLONG);
    for (size_t i = 1; i < LONG; i += 2)
        path[i] = '/';
    EXPECT("the same with slashes", p1_path_open(ROOT, 0, at(path), LONG, 1, 2, 0, 0, at(&n)), ENAMETOOLONG, ENOENT);
    EXPECT("an empty path", p1_path_open(ROOT, 0, at(path), 0, 0, 2, 0, 0, at(&n)), ENOENT, EINVAL);
    EXPECT("a NUL in a path", p1_path_open(ROOT, 0, at("a\0b"), 3, 1, 2, 0, 0, at(&n)), EINVAL, EILSEQ, ENOENT);
    EXPECT("bytes that are not UTF-8", p1_path_create_directory(ROOT, at("\xff\xfe"), 2), EILSEQ, EINVAL, 0);
    p1_path_remove_directory(ROOT, at("\xff\xfe"), 2);
    EXPECT("unknown open flags", p1_path_open(ROOT, 0, at(file), sizeof file - 1, 0xffff, 2, 0, 0, at(&n)), EINVAL, EEXIST,
           ENOTDIR);
    EXPECT("a path from a file", p1_path_open(fd, 0, at("x"), 1, 1, 2, 0, 0, at(&n)), ENOTDIR, ENOTCAPABLE);
    EXPECT("reading a directory as a file", p1_fd_read(ROOT, at(iov), 1, at(&n)), EISDIR, EBADF, ENOTCAPABLE);
    EXPECT("listing a file", p1_fd_readdir(fd, at(scratch), 64, 0, at(&n)), ENOTDIR, EBADF, ENOTCAPABLE);
    n = 77;
    EXPECT("listing from an unknown cookie", p1_fd_readdir(ROOT, at(scratch), 64, UINT64_MAX, at(&n)), 0, EINVAL, ENOENT);
    EXPECT("removing the root", p1_path_remove_directory(ROOT, at("."), 1), EINVAL, EBUSY, ENOTEMPTY, EPERM);
    free(path);
    p1_fd_close(fd);
    remove_file(file);
}

void case_sockets(void) {
    struct {
        uint16_t family;
        uint8_t port[2], addr[12];
    } own = {1, {0x1b, 0xc0}, {127, 0, 0, 1}}, outside = {1, {0, 80}, {192, 0, 2, 1}}, strange = {99, {0, 1}, {0}};
    uint32_t len = sizeof own, value = 1;

    EXPECT("an unknown family", sock_open(99, 6, 0), EAFNOSUPPORT);
    EXPECT("an unknown type", sock_open(1, 3, 0), EPROTOTYPE, EPROTONOSUPPORT, EINVAL);
    EXPECT("a datagram socket", sock_open(1, 5, 0), EPROTONOSUPPORT);
    EXPECT("an unknown protocol", sock_open(1, 6, 99), EPROTONOSUPPORT);

    int fd = sock_open(1, 6, 0);
    EXPECT("accept before listen", sock_accept(fd, 0, 0, 0), EINVAL);
    EXPECT("send before connect", sock_send(fd, at(scratch), 4, 0), ENOTCONN, EPIPE);
    EXPECT("recv before connect", sock_recv(fd, at(scratch), 4, 0), ENOTCONN);
    EXPECT("shutdown before connect", sock_shutdown(fd, 3), ENOTCONN);
    EXPECT("getpeername before connect", sock_getpeername(fd, at(scratch), at(&len)), ENOTCONN);
    EXPECT("an address that is too short", sock_bind(fd, at(&own), 7), EINVAL);
    EXPECT("an address of another family", sock_bind(fd, at(&strange), sizeof strange), EAFNOSUPPORT, EINVAL);
    EXPECT("an address of somebody else", sock_bind(fd, at(&outside), sizeof outside), EADDRNOTAVAIL);
    EXPECT("connecting out of the cell", sock_connect(fd, at(&outside), sizeof outside), ENETUNREACH);
    EXPECT("an unknown way to shut down", sock_shutdown(fd, 8), EINVAL, ENOTCONN);
    EXPECT("an unknown option", sock_setsockopt(fd, 0x7fffffff, 9999, at(&value), 4), ENOPROTOOPT);
    EXPECT("an unknown level", sock_getsockopt(fd, 1234, 1, at(scratch), at(&len)), ENOPROTOOPT);
    EXPECT("an option value that is too short", sock_setsockopt(fd, 0x7fffffff, 2, at(&value), 1), EINVAL);
    EXPECT("bind", sock_bind(fd, at(&own), sizeof own), 0);
    EXPECT("bind again", sock_bind(fd, at(&own), sizeof own), EINVAL);
    EXPECT("listen", sock_listen(fd, -1), 0);
    EXPECT("connect on a listener", sock_connect(fd, at(&own), sizeof own), EISCONN, EINVAL, EOPNOTSUPP);

    int other = sock_open(1, 6, 0);
    EXPECT("a port that is in use", sock_bind(other, at(&own), sizeof own), EADDRINUSE);
    sock_close(other);
    own.port[1]++;
    other = sock_open(1, 6, 0);
    EXPECT("connecting where nobody listens", sock_connect(other, at(&own), sizeof own), ECONNREFUSED);
    sock_close(other);
    EXPECT("a file is not a socket", sock_listen(1, 1), ENOTSOCK);
    EXPECT("a name nobody has", sock_resolve(at("no-such-program"), 15, at(scratch), 8), ENOENT);
    EXPECT("a name that is too long", sock_resolve(at(scratch), 0x00100000, at(scratch), 8), ENOENT, ENAMETOOLONG, EINVAL,
           EFAULT);
    EXPECT("room for no address", sock_resolve(at("localhost"), 9, at(scratch), 0), 0, EINVAL);
    sock_close(fd);
}
