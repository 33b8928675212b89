//! What it costs to ask the kernel what is ready, per call: `cargo run --release -p replicode-syscalls --example waits`.
//!
//! One connection of many has bytes; the rest is quiet. What epoll costs must not depend on how many are watched.
#![allow(clippy::unwrap_used, clippy::disallowed_types, reason = "a measurement, not a part of the kernel")]

use replicode_log::{Egress, FsImage, HostAddr, Ingress, Limits, LogicalTime, Pid, SockId};
use replicode_syscalls::{Call, Kernel, ProcessSpec, Step};
use std::time::Instant;

const CALLS: u32 = 1_000_000;
const EVENT: u32 = 0x100;
const EVENTS: u32 = 0x200;
const FDS: u32 = 0x1000;
const SUBSCRIPTIONS: usize = 0x2_0000;

struct Guest {
    kernel: Kernel,
    pid: Pid,
    memory: Vec<u8>,
}

impl Guest {
    /// A process with a set of watches over so many connections, and the connections' numbers.
    fn new(connections: u32) -> (Self, u32, Vec<(u32, SockId)>) {
        let limits = Limits { fruitless_calls: u32::MAX, turn_calls: u32::MAX, backlog: 4_096, ..Limits::default() };
        let mut kernel = Kernel::new(limits, 0, &FsImage::default()).unwrap();
        let (name, seed) = ("main".to_string(), [0; 32]);
        let pid =
            kernel.spawn(ProcessSpec { name, args: vec![], env: vec![], stdin: false, listeners: vec![80], seed });
        let pid = pid.unwrap();
        kernel.advance(LogicalTime::from_nanos(1_000));
        assert_eq!(kernel.next_ready(), Some(pid));
        let Some(Egress::Listen { sock: listener, .. }) = kernel.poll_net() else { panic!("no listener") };
        let mut guest = Self { kernel, pid, memory: vec![0; 1 << 20] };
        let epoll = guest.ok(Call::EpollCreate { flags: 0 });
        let mut open = Vec::new();
        for n in 0..connections {
            let peer = HostAddr::V4([192, 0, 2, 1], 1 + n as u16);
            let event = Ingress::Incoming { listener, peer, send_window: 1 << 16 };
            let sock = guest.kernel.deliver(event).unwrap().unwrap();
            let fd = guest.ok(Call::BsdAccept { fd: 4, flags: 0x4000, addr: 0, addr_len: 0 });
            guest.memory[EVENT as usize..][..16].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
            guest.ok(Call::EpollCtl { epoll, op: 1, fd, event: EVENT });
            let at = (FDS + n * 8) as usize;
            guest.memory[at..at + 4].copy_from_slice(&fd.to_le_bytes());
            guest.memory[at + 4] = 1;
            open.push((fd, sock));
        }
        while guest.kernel.poll_net().is_some() {}
        (guest, epoll, open)
    }

    fn ok(&mut self, call: Call) -> u32 {
        match self.kernel.call(self.pid, &mut self.memory, call) {
            Step::Done(value) if value >= 0 => value.unsigned_abs(),
            other => panic!("{call:?} answered {other:?}"),
        }
    }

    /// What a call costs in the best of twenty parts, so that whatever else the machine does is left out.
    fn timed(&mut self, what: &str, calls: u32, call: Call, answer: u32) {
        let part = (calls / 20).max(1);
        let mut best = f64::MAX;
        for _ in 0..20 {
            let begin = Instant::now();
            for n in 0..part {
                // Who asks the same again and is told the same would have to let others go first.
                self.memory[SUBSCRIPTIONS..SUBSCRIPTIONS + 4].copy_from_slice(&n.to_le_bytes());
                assert_eq!(self.ok(call), answer);
            }
            best = best.min(begin.elapsed().as_secs_f64() * 1e9 / f64::from(part));
        }
        println!("{what}: {best:.0} ns");
    }
}

fn main() {
    for connections in [1, 100, 1_000, 10_000] {
        let (mut guest, epoll, open) = Guest::new(connections);
        let (_, sock) = open[open.len() / 2];
        let wait = Call::EpollWait { epoll, events: EVENTS, max: 64, timeout: 0 };
        let of = format!("of {connections}");
        guest.timed(&format!("epoll_wait, none {of} ready"), CALLS, wait, 0);
        guest.kernel.deliver(Ingress::Data { sock, bytes: vec![b'x'] }).unwrap();
        guest.timed(&format!("epoll_wait, one {of} ready"), CALLS, wait, 1);
        let poll = Call::Poll { fds: FDS, count: connections, timeout: 0 };
        let calls = (CALLS / connections).max(100);
        guest.timed(&format!("poll, one {of} ready"), calls, poll, 1);
        for (n, (fd, _)) in (0..).zip(&open) {
            let at = SUBSCRIPTIONS + n * 48;
            guest.memory[at + 8] = 1;
            guest.memory[at + 16..at + 20].copy_from_slice(&fd.to_le_bytes());
        }
        let (subscriptions, events) = (SUBSCRIPTIONS as u32, SUBSCRIPTIONS as u32 + connections * 48);
        let poll = Call::PollOneoff { subscriptions, events, count: connections, ready: EVENTS };
        guest.timed(&format!("poll_oneoff, one {of} ready"), calls, poll, 0);
    }
    let (mut guest, ..) = Guest::new(1);
    guest.timed("getpid, the cheapest call", CALLS, Call::Getpid {}, 1);
}
