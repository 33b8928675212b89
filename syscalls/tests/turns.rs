//! When a process gives up its turn: what looks like waiting must not hold a batch for ever.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{BUF, EVENTS, Guest, OUT, SUBS};
use replicode_log::{Limits, LogicalTime};
use replicode_syscalls::{Call, Errno, ProcessState, Step};

fn limits() -> Limits {
    Limits { fruitless_calls: 3, clock_calls: 4, spin_quantum_ns: 500_000, ..Limits::default() }
}

/// Makes a call `n` times, then sees it give up the turn and go on in the next batch.
fn gives_up_after(n: u32, mut guest: Guest, call: Call) {
    for _ in 0..n {
        assert!(matches!(guest.call(call), Step::Done(_)), "{call:?}");
    }
    assert_eq!(guest.kernel.next_deadline(), None);
    guest.waits(call);
    assert_eq!(guest.kernel.processes().next().map(|it| it.state), Some(ProcessState::Yielded));
    assert_eq!(guest.kernel.next_deadline(), Some(LogicalTime::from_nanos(501_000)));
    guest.sleeps();
    // Making it again in the same batch changes nothing.
    guest.waits(call);
    guest.at(501_000);
    guest.resumed();
    guest.sleeps();
    assert!(matches!(guest.call(call), Step::Done(_)), "{call:?}");
    assert_eq!(guest.kernel.next_deadline(), None);
}

#[test]
fn a_loop_of_yields() {
    gives_up_after(3, Guest::with(limits()), Call::SchedYield {});
}

#[test]
fn a_loop_that_watches_the_clock() {
    gives_up_after(4, Guest::with(limits()), Call::ClockTimeGet { id: 1, precision: 0, time: OUT });
}

/// A script that works until a time has come, and looks at the clock only: slow as it may be, the cell goes on.
#[test]
fn a_loop_that_does_nothing_but_watch_the_clock_is_over_sooner() {
    let look = Call::ClockTimeGet { id: 1, precision: 0, time: OUT };
    let mut guest = Guest::new();
    let looks = (0..).take_while(|_| guest.call(look) == Step::Done(0)).count();
    assert_eq!(looks, 1_000);
    guest.at(2_000);
    guest.resumed();
    // Whoever does something in between is not held up.
    for _ in 0..3_000 {
        guest.ok(look);
        guest.ok(Call::Getpid {});
    }
    let looks = (0..).take_while(|_| guest.call(look) == Step::Done(0)).count();
    assert_eq!(looks, 1_000);
}

#[test]
fn a_loop_of_polls_that_do_not_wait() {
    let mut guest = Guest::with(limits());
    guest.memory[SUBS as usize..][..48].fill(0);
    gives_up_after(3, guest, Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: 1, ready: OUT });
}

/// What tokio does on preview 1 while nothing happens: a connection can always be written to.
#[test]
fn a_loop_of_polls_that_find_the_same_is_over_sooner() {
    let mut guest = Guest::new();
    let (fd, _) = guest.connection();
    guest.memory[SUBS as usize..][..48].fill(0);
    guest.put(SUBS + 8, &[2]);
    guest.put(SUBS + 16, &fd.to_le_bytes());
    let poll = Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: 1, ready: OUT };
    let looks = (0..).take_while(|_| guest.call(poll) == Step::Done(0)).count();
    assert_eq!(looks, 5);
    // Whoever does something in between goes on as before.
    guest.at(2_000);
    guest.resumed();
    for _ in 0..100 {
        guest.ok(poll);
        let send = guest.send_call(fd, b"x", 0);
        guest.ok(send);
    }
}

#[test]
fn a_loop_of_reads_that_would_block() {
    let mut guest = Guest::with(limits());
    guest.fd_flags(0, 4);
    let call = guest.read_call(0, 8);
    assert_eq!(guest.done(call), Err(Errno::Again));
    gives_up_after(2, guest, call);
}

#[test]
fn a_loop_of_reads_at_the_end_of_a_file() {
    let mut guest = Guest::with(limits());
    let fd = guest.open("log", 1, 0x42, 0).unwrap();
    let call = guest.read_call(fd, 8);
    gives_up_after(3, guest, call);
}

#[test]
fn a_loop_of_accepts_that_would_block() {
    let mut guest = Guest::with(limits());
    let (fd, _) = guest.listen(80, 1);
    guest.fd_flags(fd, 4);
    gives_up_after(3, guest, Call::SockAccept { fd, flags: 0, accepted: OUT });
}

#[test]
fn bytes_moved_begin_the_count_anew() {
    let mut guest = Guest::with(limits());
    for _ in 0..10 {
        for _ in 0..2 {
            guest.ok(Call::SchedYield {});
        }
        guest.write(1, b"x");
    }
}

#[test]
fn the_clock_does_not_begin_the_count_anew() {
    let mut guest = Guest::with(limits());
    for _ in 0..3 {
        guest.ok(Call::SchedYield {});
    }
    guest.waits(Call::ClockTimeGet { id: 0, precision: 0, time: OUT });
}

#[test]
fn printing_without_end() {
    let limits = Limits { turn_console_bytes: 1000, ..limits() };
    let mut guest = Guest::with(limits.clone());
    let iovs_len = guest.iov(&[(BUF, 300)]);
    let call = Call::FdWrite { fd: 1, iovs: common::IOV, iovs_len, nwritten: OUT };
    // The call that reaches the limit is still done whole.
    gives_up_after(4, guest, call);
    let mut guest = Guest::with(limits);
    guest.write(1, &[b'x'; 999]);
    guest.write(2, b"xx");
    let iovs_len = guest.iov(&[(BUF, 0)]);
    guest.waits(Call::FdWrite { fd: 2, iovs: common::IOV, iovs_len, nwritten: OUT });
}

#[test]
fn a_process_that_always_finds_something_to_do() {
    let mut guest = Guest::with(Limits { turn_calls: 8, ..limits() });
    // Every call counts, not only those that wait: opening is the first.
    let fd = guest.open("f", 1, u64::MAX, 0).unwrap();
    guest.ok(Call::FdTell { fd, position: OUT });
    let iovs_len = guest.iov(&[(BUF, 1)]);
    gives_up_after(6, guest, Call::FdWrite { fd, iovs: common::IOV, iovs_len, nwritten: OUT });
}

/// Nobody can tell such a program from one that computes, but its calls are counted.
#[test]
fn a_loop_of_calls_that_never_wait() {
    for call in [
        Call::FdTell { fd: 3, position: OUT },
        Call::FdClose { fd: 99 },
        Call::RandomGet { buf: BUF, buf_len: 8 },
        Call::ClockResGet { id: 0, resolution: OUT },
        // Looks that fail are not counted as looks.
        Call::ClockTimeGet { id: 99, precision: 0, time: OUT },
    ] {
        gives_up_after(8, Guest::with(Limits { turn_calls: 8, ..limits() }), call);
    }
}

/// By default one turn prints 4 MiB, in pieces that fit a message.
#[test]
fn output_comes_in_pieces() {
    let mut guest = Guest::new();
    let iovs_len = guest.iov(&[(BUF, 0x4000)]);
    let call = Call::FdWrite { fd: 1, iovs: common::IOV, iovs_len, nwritten: OUT };
    while guest.call(call) == Step::Done(0) {}
    let mut printed = 0;
    while let Some((_, _, bytes)) = guest.kernel.poll_console() {
        assert!(bytes.len() <= 256 << 10);
        printed += bytes.len();
    }
    assert_eq!(printed, 4 << 20);
}

#[test]
fn a_loop_of_waits_for_nothing() {
    gives_up_after(3, Guest::with(limits()), Call::Poll { fds: SUBS, count: 0, timeout: 0 });
    let mut guest = Guest::with(Limits { fruitless_calls: 4, ..limits() });
    let epoll = guest.ok(Call::EpollCreate { flags: 0 });
    gives_up_after(4, guest, Call::EpollWait { epoll, events: EVENTS, max: 1, timeout: 0 });
    // What is always ready is as fruitless as what never is.
    let mut guest = Guest::with(limits());
    guest.put(SUBS, &[1, 0, 0, 0, 2, 0, 0, 0]);
    gives_up_after(3, guest, Call::Poll { fds: SUBS, count: 1, timeout: u64::MAX });
}

/// All that is submitted in a batch is executed in it: a loop of it must not hold the batch.
#[test]
fn a_loop_that_submits_to_contracts() {
    const EACH: u32 = 32 << 10;
    for (len, most) in [(0, 4_096), (EACH, 1_024)] {
        let mut guest = Guest::new();
        guest.kernel.serve_contracts();
        let submit = Call::ContractSubmit { transaction: BUF, transaction_len: len, event: u32::MAX };
        let mut count = 0;
        while guest.call(submit) == Step::Done(0) {
            count += 1;
            let (asker, _) = guest.kernel.poll_contracts().unwrap();
            guest.kernel.deliver_contracts(asker, vec![1]);
            let wait = Call::ContractWait { ticket: 0, buf: OUT, buf_len: 1, flags: 0 };
            if guest.call(wait) == Step::Wait {
                break;
            }
        }
        assert_eq!(count, most, "of {len} bytes each");
        assert_eq!(guest.kernel.processes().next().map(|it| it.state), Some(ProcessState::Yielded));
        guest.at(2_000_000);
        guest.resumed();
        guest.ok(Call::ContractWait { ticket: 0, buf: OUT, buf_len: 1, flags: 0 });
        assert_eq!(guest.call(submit), Step::Done(0));
    }
}
