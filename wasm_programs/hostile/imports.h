/* The system calls as the runtime sees them: plain integers for pointers, so that nothing in libc can look at them first. */
#ifndef HOSTILE_IMPORTS_H
#define HOSTILE_IMPORTS_H

#include <stdint.h>

typedef uint32_t ptr;

#define P1(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t p1_##name
#define SOCK(name) __attribute__((import_module("replicode_sock_v1"), import_name(#name))) int32_t sock_##name

P1(args_get)(ptr argv, ptr buffer);
P1(args_sizes_get)(ptr count, ptr size);
P1(environ_sizes_get)(ptr count, ptr size);
P1(clock_res_get)(uint32_t id, ptr out);
P1(clock_time_get)(uint32_t id, uint64_t precision, ptr out);
P1(fd_advise)(uint32_t fd, uint64_t offset, uint64_t len, uint32_t advice);
P1(fd_allocate)(uint32_t fd, uint64_t offset, uint64_t len);
P1(fd_close)(uint32_t fd);
P1(fd_datasync)(uint32_t fd);
P1(fd_fdstat_get)(uint32_t fd, ptr out);
P1(fd_fdstat_set_flags)(uint32_t fd, uint32_t flags);
P1(fd_filestat_get)(uint32_t fd, ptr out);
P1(fd_filestat_set_size)(uint32_t fd, uint64_t size);
P1(fd_filestat_set_times)(uint32_t fd, uint64_t atim, uint64_t mtim, uint32_t flags);
P1(fd_pread)(uint32_t fd, ptr iovs, uint32_t count, uint64_t offset, ptr out);
P1(fd_prestat_get)(uint32_t fd, ptr out);
P1(fd_prestat_dir_name)(uint32_t fd, ptr path, uint32_t len);
P1(fd_pwrite)(uint32_t fd, ptr iovs, uint32_t count, uint64_t offset, ptr out);
P1(fd_read)(uint32_t fd, ptr iovs, uint32_t count, ptr out);
P1(fd_readdir)(uint32_t fd, ptr buffer, uint32_t len, uint64_t cookie, ptr out);
P1(fd_renumber)(uint32_t from, uint32_t to);
P1(fd_seek)(uint32_t fd, int64_t offset, uint32_t whence, ptr out);
P1(fd_sync)(uint32_t fd);
P1(fd_tell)(uint32_t fd, ptr out);
P1(fd_write)(uint32_t fd, ptr iovs, uint32_t count, ptr out);
P1(path_create_directory)(uint32_t fd, ptr path, uint32_t len);
P1(path_filestat_get)(uint32_t fd, uint32_t flags, ptr path, uint32_t len, ptr out);
P1(path_filestat_set_times)(uint32_t fd, uint32_t flags, ptr path, uint32_t len, uint64_t atim, uint64_t mtim, uint32_t fst);
P1(path_link)(uint32_t fd, uint32_t flags, ptr old, uint32_t old_len, uint32_t fd2, ptr path, uint32_t len);
P1(path_open)(uint32_t fd, uint32_t dirflags, ptr path, uint32_t len, uint32_t oflags, uint64_t rights, uint64_t inheriting,
              uint32_t fdflags, ptr out);
P1(path_readlink)(uint32_t fd, ptr path, uint32_t len, ptr buffer, uint32_t buffer_len, ptr out);
P1(path_remove_directory)(uint32_t fd, ptr path, uint32_t len);
P1(path_rename)(uint32_t fd, ptr old, uint32_t old_len, uint32_t fd2, ptr path, uint32_t len);
P1(path_symlink)(ptr old, uint32_t old_len, uint32_t fd, ptr path, uint32_t len);
P1(path_unlink_file)(uint32_t fd, ptr path, uint32_t len);
P1(poll_oneoff)(ptr in, ptr out, uint32_t count, ptr events);
P1(random_get)(ptr buffer, uint32_t len);
P1(sock_accept)(uint32_t fd, uint32_t flags, ptr out);
P1(sock_recv)(uint32_t fd, ptr iovs, uint32_t count, uint32_t flags, ptr len, ptr oflags);
P1(sock_send)(uint32_t fd, ptr iovs, uint32_t count, uint32_t flags, ptr len);
P1(sock_shutdown)(uint32_t fd, uint32_t how);

SOCK(open)(int32_t domain, int32_t type, int32_t protocol);
SOCK(bind)(int32_t fd, ptr addr, uint32_t len);
SOCK(listen)(int32_t fd, int32_t backlog);
SOCK(accept)(int32_t fd, int32_t flags, ptr addr, ptr len);
SOCK(connect)(int32_t fd, ptr addr, uint32_t len);
SOCK(send)(int32_t fd, ptr data, uint32_t len, int32_t flags);
SOCK(recv)(int32_t fd, ptr buffer, uint32_t len, int32_t flags);
SOCK(sendto)(int32_t fd, ptr data, uint32_t len, int32_t flags, ptr addr, uint32_t addr_len);
SOCK(recvfrom)(int32_t fd, ptr buffer, uint32_t len, int32_t flags, ptr addr, ptr addr_len);
SOCK(shutdown)(int32_t fd, int32_t how);
SOCK(close)(int32_t fd);
SOCK(getsockname)(int32_t fd, ptr addr, ptr len);
SOCK(getpeername)(int32_t fd, ptr addr, ptr len);
SOCK(getsockopt)(int32_t fd, int32_t level, int32_t name, ptr value, ptr len);
SOCK(setsockopt)(int32_t fd, int32_t level, int32_t name, ptr value, uint32_t len);
SOCK(resolve)(ptr name, uint32_t len, ptr addrs, uint32_t max);

#endif
