//! Calls with arguments that no honest program passes: no panic, an error that names the fault, memory untouched.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, ADDR_LEN, BUF, EVENTS, Guest, IOV, OUT, PATH, SUBS};
use proptest::prelude::*;
use replicode_log::Limits;
use replicode_syscalls::abi::{Arg, IMPORTS, Import, Returns, ValType};
use replicode_syscalls::{Call, Errno, Step};

/// Descriptors that are tried: those that are open, and one that is not.
const FDS: u64 = 16;

/// A process with something of everything open: file 4, listener 5 with a connection waiting, connection 6 with bytes
/// to read, idle socket 7, counter 8, timer 9, set of watches 10 with something to tell, pipe 11 and 12 and
/// pair 13 and 14 with bytes in them.
fn busy() -> Guest {
    busy_with(Limits { fruitless_calls: u32::MAX, ..Limits::default() })
}

fn busy_with(limits: Limits) -> Guest {
    let mut guest = Guest::with(limits);
    guest.kernel.serve_contracts();
    let file = guest.open("f", 1, u64::MAX, 0).unwrap();
    guest.write(file, b"content");
    guest.ok(Call::FdSeek { fd: file, offset: 0, whence: 0, position: OUT });
    let (listener, sock) = guest.listen(80, 5);
    let conn = guest.incoming(sock);
    guest.accept(listener);
    guest.data(conn, b"bytes to read");
    guest.incoming(sock);
    guest.socket();
    guest.ok(Call::Eventfd { initial: 3, flags: 0 });
    guest.ok(Call::TimerfdCreate { clock: 1, flags: 0 });
    guest.ok(Call::EpollCreate { flags: 0 });
    guest.put(BUF, &1_u32.to_le_bytes());
    for fd in [0, 6, 8, 9] {
        guest.ok(Call::EpollCtl { epoll: 10, op: 1, fd, event: BUF });
    }
    guest.ok(Call::Pipe { flags: 0, fds: OUT });
    guest.ok(Call::Socketpair { domain: 3, kind: 6, protocol: 0, fds: OUT });
    guest.write(12, b"in a pipe");
    guest.write(14, b"in a pair");
    guest.kernel.deliver_stdin(guest.pid, b"typed".to_vec());
    guest.memory.fill(0);
    guest.put(PATH, b"f");
    guest.iov(&[(BUF, 8)]);
    guest.addr([127, 0, 0, 1], 80);
    // Room for what is answered, where a call asks for it.
    guest.put(OUT, &4_u32.to_le_bytes());
    guest
}

/// Sensible arguments for an import on descriptor `fd`.
fn sensible(import: &Import, fd: u64) -> Vec<u64> {
    let sensible = |arg| match arg {
        Arg::Fd => fd,
        Arg::Path => PATH.into(),
        Arg::Iovecs => IOV.into(),
        Arg::Data | Arg::Buffer | Arg::OptionValue => BUF.into(),
        Arg::Address | Arg::OutAddress => ADDR.into(),
        Arg::Subscriptions | Arg::PollFds => SUBS.into(),
        Arg::OutEvents | Arg::OutEpollEvents => EVENTS.into(),
        Arg::EpollEvent | Arg::TimerSpec | Arg::Lock => BUF.into(),
        Arg::OutTimerSpec | Arg::OutFds => OUT.into(),
        Arg::Out | Arg::OutU32 | Arg::OutU64 => OUT.into(),
        Arg::OutText | Arg::OutFdstat | Arg::OutFilestat | Arg::OutOption => OUT.into(),
        Arg::Len | Arg::Size | Arg::Option => 1,
        Arg::Int | Arg::Rights | Arg::Mode | Arg::Flags(_) => 0,
    };
    let mut args: Vec<u64> = import.params.iter().map(|param| sensible(param.arg)).collect();
    for (n, param) in import.params.iter().enumerate() {
        match param.name {
            "addr_len" if param.arg == Arg::Out => args[n] = ADDR_LEN.into(),
            "addr_len" => args[n] = 16,
            "value_len" if param.arg == Arg::Len => args[n] = 4,
            "domain" if import.name == "socketpair" => args[n] = 3,
            "domain" => args[n] = 1,
            "cmd" => args[n] = 5,
            "kind" => args[n] = 6,
            "how" => args[n] = 1,
            "flags" => args[n] = 0,
            "op" => args[n] = 1,
            _ => {}
        }
    }
    args
}

const fn is_pointer(arg: Arg) -> bool {
    use Arg::{Fd, Flags, Int, Len, Mode, Option, Rights, Size};
    !matches!(arg, Fd | Int | Mode | Size | Rights | Flags(_) | Len | Option)
}

/// The error of a finished call, if it failed.
fn errno(import: &Import, step: Step) -> Option<Errno> {
    let Step::Done(result) = step else { return None };
    let raw = if import.returns == Returns::Value { -result.min(0) } else { result };
    Errno::from_raw(raw).filter(|errno| *errno != Errno::Success)
}

/// Each pointer of each import on each kind of descriptor, aimed outside memory with all else in order.
#[test]
fn pointers_outside_memory_are_faults() {
    let mut faults = 0;
    for import in IMPORTS {
        for (n, param) in import.params.iter().enumerate().filter(|(_, param)| is_pointer(param.arg)) {
            for bad in [0xffff_fff0, u64::from(u32::MAX), common::MEMORY as u64, common::MEMORY as u64 + 1] {
                for fd in 0..FDS {
                    let mut guest = busy();
                    let mut args = sensible(import, fd);
                    args[n] = bad;
                    let before = guest.memory.clone();
                    let call = (import.make)(&args);
                    let step = guest.call(call);
                    let errno = errno(import, step);
                    let what = format!("{call:?} on {fd} with a bad {} answered {step:?}", param.name);
                    assert!(errno.is_some(), "{what}");
                    assert_eq!(guest.memory, before, "{what}");
                    assert!(
                        guest.net().iter().all(|event| matches!(
                            event,
                            replicode_log::Egress::Listen { .. } | replicode_log::Egress::Accepted { .. }
                        )),
                        "{what}"
                    );
                    faults += u32::from(errno == Some(Errno::Fault));
                }
            }
        }
    }
    assert!(faults > 500, "only {faults} of the errors were EFAULT");
}

/// Every pointer has a descriptor on which a fault is what is told, not something else before it.
#[test]
fn every_pointer_is_checked() {
    for import in IMPORTS {
        for (n, param) in import.params.iter().enumerate().filter(|(_, param)| is_pointer(param.arg)) {
            let told = (0..FDS).any(|fd| {
                let mut guest = busy();
                let mut args = sensible(import, fd);
                args[n] = 0xffff_fff0;
                let step = guest.call((import.make)(&args));
                errno(import, step) == Some(Errno::Fault)
            });
            assert!(told, "{} never answers EFAULT for {}", import.name, param.name);
        }
    }
}

/// Lengths that wrap around, with pointers in order.
#[test]
fn lengths_beyond_memory_are_faults_or_refused() {
    for import in IMPORTS {
        for (n, _) in import.params.iter().enumerate().filter(|(_, param)| param.arg == Arg::Len) {
            for bad in [u32::MAX, u32::MAX / 8 + 1, 0x8000_0000, common::MEMORY as u32 + 1] {
                for fd in 0..FDS {
                    let mut guest = busy();
                    let mut args = sensible(import, fd);
                    args[n] = bad.into();
                    let before = guest.memory.clone();
                    let call = (import.make)(&args);
                    let step = guest.call(call);
                    assert!(errno(import, step).is_some(), "{call:?} answered {step:?}");
                    assert_eq!(guest.memory, before, "{call:?}");
                }
            }
        }
    }
}

fn word(ty: ValType) -> BoxedStrategy<u64> {
    let edge = common::MEMORY as u64;
    let interesting = prop_oneof![
        0_u64..10,
        Just(u64::from(OUT)),
        Just(u64::from(IOV)),
        Just(u64::from(PATH)),
        Just(u64::from(ADDR)),
        Just(u64::from(ADDR_LEN)),
        Just(u64::from(BUF)),
        Just(u64::from(SUBS)),
        Just(0x7fff_ffff),
        Just(0xffff_fff0),
        edge - 33..edge + 2,
        any::<u64>(),
    ];
    match ty {
        ValType::I32 => interesting.prop_map(|word| word & 0xffff_ffff).boxed(),
        ValType::I64 => interesting.boxed(),
    }
}

fn any_call() -> impl Strategy<Value = Call> {
    (0..IMPORTS.len()).prop_flat_map(|n| {
        let import = &IMPORTS[n];
        let args: Vec<_> = import.params.iter().map(|param| word(param.ty)).collect();
        args.prop_map(|args| (import.make)(&args))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Sequences of arbitrary calls neither panic nor touch memory when they fail, and two kernels that get the same
    /// ones agree, even if one of them is resumed for nothing now and then.
    #[test]
    fn arbitrary_calls_are_survived_and_repeatable(
        calls in prop::collection::vec(any_call(), 1..60),
        junk in prop::collection::vec(any::<u8>(), 64),
    ) {
        let (mut one, mut two) = (busy(), busy());
        for guest in [&mut one, &mut two] {
            guest.put(SUBS, &junk);
        }
        for (n, call) in (2_u64..).zip(calls) {
            let before = one.memory.clone();
            let step = one.call(call);
            let mut other = two.call(call);
            if other == Step::Wait {
                other = two.call(call);
            }
            prop_assert_eq!(step, other);
            if errno(call.import(), step).is_some() {
                prop_assert!(one.memory == before, "{:?} failed and wrote", call);
            }
            prop_assert!(one.memory == two.memory);
            prop_assert_eq!(one.net(), two.net());
            prop_assert_eq!(one.kernel.trail().peek(), two.kernel.trail().peek());
            if let Step::Exit(_) = step {
                break;
            }
            if step == Step::Wait {
                one.at(n * 1_000_000);
                two.at(n * 1_000_000);
                one.kernel.deliver_stdin(one.pid, b"more".to_vec());
                two.kernel.deliver_stdin(two.pid, b"more".to_vec());
            }
        }
    }
}

/// Once the turn is used up, every call waits, whether it would succeed or fail, and has done nothing; only the end of
/// the process does not wait.
#[test]
fn every_call_ends_a_turn() {
    for import in IMPORTS {
        for fd in 0..FDS {
            let mut guest = busy_with(Limits { turn_calls: 100, ..Limits::default() });
            while guest.call(Call::SchedYield {}) != Step::Wait {}
            let before = guest.memory.clone();
            // Making another call gives up the one that waits.
            let step = guest.call((import.make)(&sensible(import, fd)));
            match import.returns {
                Returns::Never => assert!(matches!(step, Step::Exit(_)), "{}", import.name),
                _ => assert_eq!(step, Step::Wait, "{}", import.name),
            }
            assert!(guest.memory == before, "{}", import.name);
        }
    }
}
