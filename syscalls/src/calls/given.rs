//! What a program gives a call through pointers goes into the step's hash: paths, addresses, options, names,
//! subscriptions, lists of buffers. What the call moves and answers is added where that happens.
//!
//! It is added before the call is carried out, so that answers may be written over it, and once, however often a waiting
//! call is made again.

use super::Ctx;
use super::bsd::MAX_NAME;
use crate::abi::Call;
use crate::abi::events::{EPOLL_EVENT, ITIMERSPEC, POLLFD};
use crate::abi::layout::{SOCKADDR_IN6, SUBSCRIPTION};
use crate::abi::locks::FLOCK;
use crate::abi::types::epoll::CTL_DEL;
use crate::memory;

/// The most bytes of an option's value that any option has: a `struct timeval`.
const OPTION: u32 = 16;

impl Ctx<'_> {
    /// Adds what the call's pointers lead to. Lists and paths beyond their limits are refused unread, and so are not
    /// added; what lies outside memory is not there to add.
    pub(super) fn note_given(&mut self, call: Call) {
        match call {
            Call::FdRead { iovs, iovs_len, .. }
            | Call::FdWrite { iovs, iovs_len, .. }
            | Call::FdPread { iovs, iovs_len, .. }
            | Call::FdPwrite { iovs, iovs_len, .. }
            | Call::SockRecv { iovs, iovs_len, .. }
            | Call::SockSend { iovs, iovs_len, .. } => self.given_list(iovs, iovs_len, 8, self.limits.iovecs),
            Call::Sendmsg { iovs, iovs_len, addr, addr_len, .. } => {
                self.given_list(iovs, iovs_len, 8, self.limits.iovecs);
                if addr != 0 {
                    self.given(addr, addr_len.min(SOCKADDR_IN6 as u32));
                }
            }
            Call::Recvmsg { iovs, iovs_len, addr, addr_len: room, .. } => {
                self.given_list(iovs, iovs_len, 8, self.limits.iovecs);
                if addr != 0 {
                    self.given(room, 4);
                }
            }
            Call::PollOneoff { subscriptions, count, .. } => {
                self.given_list(subscriptions, count, SUBSCRIPTION as u32, self.limits.subscriptions);
            }
            Call::PathCreateDirectory { path, path_len, .. }
            | Call::PathFilestatGet { path, path_len, .. }
            | Call::PathFilestatSetTimes { path, path_len, .. }
            | Call::PathOpen { path, path_len, .. }
            | Call::PathReadlink { path, path_len, .. }
            | Call::PathRemoveDirectory { path, path_len, .. }
            | Call::Chmod { path, path_len, .. }
            | Call::Mode { path, path_len, .. }
            | Call::PathUnlinkFile { path, path_len, .. } => self.given_path(path, path_len),
            Call::PathLink { old_path, old_path_len, new_path, new_path_len, .. }
            | Call::PathRename { old_path, old_path_len, new_path, new_path_len, .. } => {
                self.given_path(old_path, old_path_len);
                self.given_path(new_path, new_path_len);
            }
            Call::PathSymlink { target, target_len, path, path_len, .. } => {
                self.given_path(target, target_len);
                self.given_path(path, path_len);
            }
            Call::BsdResolve { name, name_len, .. } => self.given_list(name, name_len, 1, MAX_NAME as u32),
            Call::BsdBind { addr, addr_len, .. } | Call::BsdConnect { addr, addr_len, .. } => {
                self.given(addr, addr_len.min(SOCKADDR_IN6 as u32));
            }
            // A null pointer stands for no address.
            Call::BsdSendto { addr, addr_len, .. } if addr != 0 => self.given(addr, addr_len.min(SOCKADDR_IN6 as u32)),
            Call::BsdSetsockopt { value, value_len, .. } => self.given(value, value_len.min(OPTION)),
            Call::Poll { fds, count, .. } => self.given_list(fds, count, POLLFD as u32, self.limits.subscriptions),
            Call::EpollCtl { op, event, .. } if op != CTL_DEL => self.given(event, EPOLL_EVENT as u32),
            Call::Lock { flock, .. } => self.given(flock, FLOCK as u32),
            Call::TimerfdSettime { new, .. } => self.given(new, ITIMERSPEC as u32),
            // How much room there is for what is answered.
            Call::BsdAccept { addr, addr_len: room, .. }
            | Call::BsdRecvfrom { addr, addr_len: room, .. }
            | Call::BsdGetsockname { addr, addr_len: room, .. }
            | Call::BsdGetpeername { addr, addr_len: room, .. }
                if addr != 0 =>
            {
                self.given(room, 4);
            }
            Call::BsdGetsockopt { value_len: room, .. } => self.given(room, 4),
            // The others are given numbers only, which the hash covers as arguments, or bytes that they move.
            _ => {}
        }
    }

    fn given_list(&mut self, ptr: u32, count: u32, each: u32, max: u32) {
        if count <= max {
            self.given(ptr, count.saturating_mul(each));
        }
    }

    fn given_path(&mut self, ptr: u32, len: u32) {
        if len <= self.limits.path_bytes {
            self.given(ptr, len);
        }
    }

    fn given(&mut self, ptr: u32, len: u32) {
        if let Ok(bytes) = memory::bytes(self.memory, ptr, len) {
            self.moved.note_bytes(bytes);
        }
    }
}
