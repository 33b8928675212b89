//! From a [`Call`] to the function that carries it out.

use super::{Answer, Ctx};
use crate::abi::Call;
use crate::abi::Errno;

impl Ctx<'_> {
    #[rustfmt::skip]
    pub(super) fn dispatch(&mut self, call: Call) -> Answer {
        match call {
            Call::ArgsGet { argv, argv_buf } => self.args_get(argv, argv_buf),
            Call::ArgsSizesGet { argc, argv_buf_size } => self.args_sizes_get(argc, argv_buf_size),
            Call::EnvironGet { environ, environ_buf } => self.environ_get(environ, environ_buf),
            Call::EnvironSizesGet { count, buf_size } => self.environ_sizes_get(count, buf_size),
            Call::ClockResGet { id, resolution } => self.clock_res_get(id, resolution),
            Call::ClockTimeGet { id, precision: _, time } => self.clock_time_get(id, time),
            Call::FdAdvise { fd, offset, len, advice } => self.fd_advise(fd, offset, len, advice),
            Call::FdAllocate { fd, offset, len } => self.fd_allocate(fd, offset, len),
            Call::FdClose { fd } | Call::BsdClose { fd } => self.fd_close(fd),
            Call::FdFdstatGet { fd, stat } => self.fd_fdstat_get(fd, stat),
            Call::FdFdstatSetFlags { fd, flags } => self.fd_fdstat_set_flags(fd, flags),
            Call::FdFdstatSetRights { fd, base: _, inheriting: _ } => self.fd_fdstat_set_rights(fd),
            Call::FdFilestatGet { fd, stat } => self.fd_filestat_get(fd, stat),
            Call::FdFilestatSetSize { fd, size } => self.fd_filestat_set_size(fd, size),
            Call::FdFilestatSetTimes { fd, atim, mtim, flags } => self.fd_filestat_set_times(fd, atim, mtim, flags),
            Call::FdPread { fd, iovs, iovs_len, offset, nread } => self.fd_pread(fd, iovs, iovs_len, offset, nread),
            Call::FdPrestatDirName { fd, path, path_len } => self.fd_prestat_dir_name(fd, path, path_len),
            Call::FdPrestatGet { fd, prestat } => self.fd_prestat_get(fd, prestat),
            Call::FdPwrite { fd, iovs, iovs_len, offset, nwritten } => self.fd_pwrite(fd, iovs, iovs_len, offset, nwritten),
            Call::FdRead { fd, iovs, iovs_len, nread } => self.fd_read(fd, iovs, iovs_len, nread),
            Call::FdReaddir { fd, buf, buf_len, cookie, used } => self.fd_readdir(fd, buf, buf_len, cookie, used),
            Call::FdRenumber { fd, to } => self.fd_renumber(fd, to),
            Call::FdSeek { fd, offset, whence, position } => self.fd_seek(fd, offset.cast_signed(), whence, position),
            Call::FdSync { fd } | Call::FdDatasync { fd } => self.fd_sync(fd),
            Call::FdTell { fd, position } => self.fd_tell(fd, position),
            Call::FdWrite { fd, iovs, iovs_len, nwritten } => self.fd_write(fd, iovs, iovs_len, nwritten),
            Call::PathCreateDirectory { fd, path, path_len } => self.path_create_directory(fd, (path, path_len)),
            Call::PathFilestatGet { fd, lookup, path, path_len, stat } => self.path_filestat_get(fd, lookup, (path, path_len), stat),
            Call::PathFilestatSetTimes { fd, lookup, path, path_len, atim, mtim, flags } =>
                self.path_filestat_set_times(fd, lookup, (path, path_len), atim, mtim, flags),
            Call::PathLink { old_fd, lookup, old_path, old_path_len, new_fd, new_path, new_path_len } =>
                self.path_link(old_fd, lookup, (old_path, old_path_len), new_fd, (new_path, new_path_len)),
            Call::PathOpen { fd, lookup, path, path_len, oflags, base, inheriting: _, flags, opened } =>
                self.path_open(fd, (path, path_len), (lookup, oflags, flags), base, opened),
            Call::PathReadlink { fd, path, path_len, buf, buf_len, used } => self.path_readlink(fd, (path, path_len), (buf, buf_len), used),
            Call::PathRemoveDirectory { fd, path, path_len } => self.path_remove_directory(fd, (path, path_len)),
            Call::PathRename { fd, old_path, old_path_len, new_fd, new_path, new_path_len } =>
                self.path_rename(fd, (old_path, old_path_len), new_fd, (new_path, new_path_len)),
            Call::PathSymlink { target, target_len, fd, path, path_len } => self.path_symlink((target, target_len), fd, (path, path_len)),
            Call::PathUnlinkFile { fd, path, path_len } => self.path_unlink_file(fd, (path, path_len)),
            Call::PollOneoff { subscriptions, events, count, ready } => self.poll_oneoff(subscriptions, events, count, ready),
            Call::ProcExit { code } => self.proc_exit(code),
            // There are no signals to raise.
            Call::ProcRaise { signal: _ } => Err(Errno::NotSup.into()),
            Call::RandomGet { buf, buf_len } => self.random_get(buf, buf_len),
            Call::SchedYield {} => self.sched_yield(),
            Call::SockAccept { fd, flags, accepted } => self.sock_accept(fd, flags, accepted),
            Call::SockRecv { fd, iovs, iovs_len, flags, nread, roflags } => self.sock_recv(fd, (iovs, iovs_len), flags, nread, roflags),
            Call::SockSend { fd, iovs, iovs_len, flags, nwritten } => self.sock_send(fd, (iovs, iovs_len), flags, nwritten),
            Call::SockShutdown { fd, how } | Call::BsdShutdown { fd, how } => self.sock_shutdown(fd, how),
            Call::BsdOpen { domain, kind, protocol } => self.bsd_open(domain, kind, protocol),
            Call::BsdBind { fd, addr, addr_len } => self.bsd_bind(fd, (addr, addr_len)),
            Call::BsdListen { fd, backlog } => self.bsd_listen(fd, backlog),
            Call::BsdAccept { fd, flags, addr, addr_len } => self.bsd_accept(fd, flags, (addr, addr_len)),
            Call::BsdConnect { fd, addr, addr_len } => self.bsd_connect(fd, (addr, addr_len)),
            Call::BsdSend { fd, data, len, flags } => self.bsd_send(fd, (data, len), flags, (0, 0)),
            Call::BsdSendto { fd, data, len, flags, addr, addr_len } => self.bsd_send(fd, (data, len), flags, (addr, addr_len)),
            Call::BsdRecv { fd, data, len, flags } => self.bsd_recv(fd, (data, len), flags, (0, 0)),
            Call::BsdRecvfrom { fd, data, len, flags, addr, addr_len } => self.bsd_recv(fd, (data, len), flags, (addr, addr_len)),
            Call::BsdGetsockname { fd, addr, addr_len } => self.bsd_getsockname(fd, (addr, addr_len)),
            Call::BsdGetpeername { fd, addr, addr_len } => self.bsd_getpeername(fd, (addr, addr_len)),
            Call::BsdGetsockopt { fd, level, option, value, value_len } => self.bsd_getsockopt(fd, level, option, (value, value_len)),
            Call::BsdSetsockopt { fd, level, option, value, value_len } => self.bsd_setsockopt(fd, level, option, (value, value_len)),
            Call::Dup { fd, min, flags } => self.dup(fd, min, flags),
            Call::Dup3 { fd, to, flags } => self.dup3(fd, to, flags),
            Call::FdFlags { fd, set } => self.fd_flags(fd, set.cast_signed()),
            Call::Getpid {} => self.getpid(),
            Call::Sendmsg { fd, iovs, iovs_len, flags, addr, addr_len } => self.sendmsg(fd, (iovs, iovs_len), flags, (addr, addr_len)),
            Call::Recvmsg { fd, iovs, iovs_len, flags, addr, addr_len } => self.recvmsg(fd, (iovs, iovs_len), flags, (addr, addr_len)),
            Call::Chmod { fd, path, path_len, lookup, mode } => self.chmod(fd, (path, path_len), lookup, mode),
            Call::Mode { fd, path, path_len, lookup } => self.mode(fd, (path, path_len), lookup),
            Call::BsdResolve { name, name_len, addrs, max } => self.bsd_resolve((name, name_len), addrs, max),
            Call::Poll { fds, count, timeout } => self.poll(fds, count, timeout),
            Call::EpollCreate { flags } => self.epoll_create(flags),
            Call::EpollCtl { epoll, op, fd, event } => self.epoll_ctl(epoll, op, fd, event),
            Call::EpollWait { epoll, events, max, timeout } => self.epoll_wait(epoll, events, max, timeout),
            Call::Eventfd { initial, flags } => self.eventfd(initial, flags),
            Call::TimerfdCreate { clock, flags } => self.timerfd_create(clock, flags),
            Call::TimerfdSettime { fd, flags, new, old } => self.timerfd_settime(fd, flags, new, old),
            Call::TimerfdGettime { fd, current } => self.timerfd_gettime(fd, current),
        }
    }
}
