/* Pointers that point outside the memory, and lengths that reach outside. Each must give EFAULT and change nothing. */
#include "hostile.h"

#include <string.h>

static char scratch[256];
static const char file[] = "hostile.tmp";

/* An iovec or ciovec. */
struct vec {
    ptr data;
    uint32_t len;
};

/* Every call once with this bad pointer in each of its pointer positions. */
static void bad_pointer(ptr bad) {
    uint32_t fd = make_file(file);
    const struct vec good = {at(scratch), 4}, points_out = {bad, 64};
    ptr out = at(scratch), name = at(file);
    uint32_t len = sizeof file - 1;

    EXPECT("args_get, pointers", p1_args_get(bad, out), EFAULT);
    EXPECT("args_get, buffer", p1_args_get(out, bad), EFAULT, 0 /* an empty argument may just fit */);
    EXPECT("args_sizes_get, count", p1_args_sizes_get(bad, out), EFAULT);
    EXPECT("args_sizes_get, size", p1_args_sizes_get(out, bad), EFAULT);
    EXPECT("environ_sizes_get, count", p1_environ_sizes_get(bad, out), EFAULT);
    EXPECT("environ_sizes_get, size", p1_environ_sizes_get(out, bad), EFAULT);
    EXPECT("clock_res_get", p1_clock_res_get(0, bad), EFAULT);
    EXPECT("clock_time_get", p1_clock_time_get(0, 0, bad), EFAULT);
    EXPECT("random_get", p1_random_get(bad, 64), EFAULT);

    EXPECT("fd_fdstat_get", p1_fd_fdstat_get(fd, bad), EFAULT);
    EXPECT("fd_filestat_get", p1_fd_filestat_get(fd, bad), EFAULT);
    EXPECT("fd_prestat_get", p1_fd_prestat_get(ROOT, bad), EFAULT);
    EXPECT("fd_readdir, buffer", p1_fd_readdir(ROOT, bad, 64, 0, out), EFAULT);
    EXPECT("fd_readdir, size", p1_fd_readdir(ROOT, out, 64, 0, bad), EFAULT);
    EXPECT("fd_seek", p1_fd_seek(fd, 4, 0, bad), EFAULT);
    EXPECT("fd_tell", p1_fd_tell(fd, bad), EFAULT);
    EXPECT("fd_read, iovecs", p1_fd_read(fd, bad, 1, out), EFAULT);
    EXPECT("fd_read, data", p1_fd_read(fd, at(&points_out), 1, out), EFAULT);
    EXPECT("fd_read, count", p1_fd_read(fd, at(&good), 1, bad), EFAULT);
    EXPECT("fd_pread, iovecs", p1_fd_pread(fd, bad, 1, 0, out), EFAULT);
    EXPECT("fd_pread, count", p1_fd_pread(fd, at(&good), 1, 0, bad), EFAULT);
    EXPECT("fd_write, iovecs", p1_fd_write(fd, bad, 1, out), EFAULT);
    EXPECT("fd_write, data", p1_fd_write(fd, at(&points_out), 1, out), EFAULT);
    EXPECT("fd_write, count", p1_fd_write(fd, at(&good), 1, bad), EFAULT);
    EXPECT("fd_pwrite, iovecs", p1_fd_pwrite(fd, bad, 1, 0, out), EFAULT);
    EXPECT("fd_pwrite, count", p1_fd_pwrite(fd, at(&good), 1, 0, bad), EFAULT);
    expect_true("the position did not move", position(fd) == 0);

    EXPECT("path_create_directory", p1_path_create_directory(ROOT, bad, 64), EFAULT);
    EXPECT("path_filestat_get, path", p1_path_filestat_get(ROOT, 0, bad, 64, out), EFAULT);
    EXPECT("path_filestat_get, result", p1_path_filestat_get(ROOT, 0, name, len, bad), EFAULT);
    EXPECT("path_filestat_set_times", p1_path_filestat_set_times(ROOT, 0, bad, 64, 1, 1, 5), EFAULT);
    EXPECT("path_link, old", p1_path_link(ROOT, 0, bad, 64, ROOT, name, len), EFAULT);
    EXPECT("path_link, new", p1_path_link(ROOT, 0, name, len, ROOT, bad, 64), EFAULT);
    EXPECT("path_open, path", p1_path_open(ROOT, 0, bad, 64, 0, 2, 0, 0, out), EFAULT);
    EXPECT("path_open, descriptor", p1_path_open(ROOT, 0, name, len, 0, 2, 0, 0, bad), EFAULT);
    EXPECT("path_readlink, path", p1_path_readlink(ROOT, bad, 64, out, 64, out), EFAULT);
    EXPECT("path_remove_directory", p1_path_remove_directory(ROOT, bad, 64), EFAULT);
    EXPECT("path_rename, old", p1_path_rename(ROOT, bad, 64, ROOT, name, len), EFAULT);
    EXPECT("path_rename, new", p1_path_rename(ROOT, name, len, ROOT, bad, 64), EFAULT);
    EXPECT("path_symlink, target", p1_path_symlink(bad, 64, ROOT, at("hostile.link"), 12), EFAULT);
    EXPECT("path_symlink, path", p1_path_symlink(name, len, ROOT, bad, 64), EFAULT);
    EXPECT("path_unlink_file", p1_path_unlink_file(ROOT, bad, 64), EFAULT);

    EXPECT("poll_oneoff, subscriptions", p1_poll_oneoff(bad, out, 1, out), EFAULT);
    memset(scratch, 0, sizeof scratch); /* a clock subscription that is due at once */
    EXPECT("poll_oneoff, events", p1_poll_oneoff(out, bad, 1, out + 128), EFAULT);
    memset(scratch, 0, sizeof scratch);
    EXPECT("poll_oneoff, count", p1_poll_oneoff(out, out + 128, 1, bad), EFAULT);

    uint32_t again = make_file(file);
    expect_true("no descriptor was lost", again == fd + 1);
    p1_fd_close(again);
    p1_fd_close(fd);
    remove_file(file);
}

static void bad_pointer_to_sockets(ptr bad, uint16_t port) {
    int fd = listener(port), fresh = sock_open(1, 6, 0);
    uint32_t len = 16;
    ptr out = at(scratch);

    EXPECT("bind", sock_bind(fresh, bad, 16), EFAULT);
    EXPECT("connect", sock_connect(fresh, bad, 16), EFAULT);
    EXPECT("getsockname, address", sock_getsockname(fd, bad, at(&len)), EFAULT);
    EXPECT("getsockname, length", sock_getsockname(fd, out, bad), EFAULT);
    EXPECT("getsockopt, value", sock_getsockopt(fd, 0x7fffffff, 3, bad, at(&(uint32_t){4})), EFAULT);
    EXPECT("getsockopt, length", sock_getsockopt(fd, 0x7fffffff, 3, out, bad), EFAULT);
    EXPECT("setsockopt", sock_setsockopt(fd, 0x7fffffff, 2, bad, 4), EFAULT);
    EXPECT("resolve, name", sock_resolve(bad, 64, out, 1), EFAULT);
    EXPECT("resolve, addresses", sock_resolve(at("localhost"), 9, bad, 1), EFAULT);
    EXPECT("send", sock_send(fresh, bad, 64, 0), EFAULT, ENOTCONN);
    EXPECT("recv", sock_recv(fresh, bad, 64, 0), EFAULT, ENOTCONN);
    EXPECT("accept, address", sock_accept(fd, 0, bad, at(&len)), EFAULT, EAGAIN);
    EXPECT("sock_accept", p1_sock_accept((uint32_t)fd, 0, bad), EFAULT, EAGAIN);
    sock_close(fresh);
    sock_close(fd);
}

void case_fault(void) {
    bad_pointer(0xfffffff0);
    bad_pointer(edge());
    bad_pointer_to_sockets(0xfffffff0, 7101);
    bad_pointer_to_sockets(edge(), 7102);
}

void case_iovec(void) {
    uint32_t fd = make_file(file), n = 77;
    const struct vec one = {at(scratch), 4};
    /* Together 4 GiB and 3 bytes: a 32-bit sum is 3. */
    const struct vec wraps[2] = {{at(scratch), 4}, {at(scratch), 0xffffffff}};
    const struct vec second_out[2] = {{at(scratch), 4}, {0xfffffff0, 64}};
    const struct vec empty[2] = {{at(scratch), 0}, {at(scratch), 0}};

    EXPECT("a count whose size in bytes wraps to 8", p1_fd_write(fd, at(&one), 0x20000001, at(&n)), EFAULT, EINVAL);
    EXPECT("the same for reading", p1_fd_read(fd, at(&one), 0x20000001, at(&n)), EFAULT, EINVAL);
    EXPECT("the largest count", p1_fd_write(fd, at(&one), 0xffffffff, at(&n)), EFAULT, EINVAL);
    EXPECT("lengths that wrap", p1_fd_write(fd, at(wraps), 2, at(&n)), EFAULT, EINVAL);
    EXPECT("lengths that wrap, for reading", p1_fd_read(fd, at(wraps), 2, at(&n)), EFAULT, EINVAL);
    EXPECT("a second iovec that points out", p1_fd_write(fd, at(second_out), 2, at(&n)), EFAULT);
    expect_true("nothing was written or read", position(fd) == 0);
    EXPECT("no iovecs", p1_fd_write(fd, at(&one), 0, at(&n)), 0, EINVAL);
    EXPECT("empty iovecs", p1_fd_write(fd, at(empty), 2, at(&n)), 0);
    expect_true("and no bytes", n == 0);
    p1_fd_close(fd);
    remove_file(file);
}
