//! IPv6 sockets, ports that two families share, and options that are kept or act.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, ADDR_LEN, BUF, Guest, IOV, OUT, SEND_WINDOW, client};
use replicode_log::{Egress, HostAddr, Ingress, Pid, Refused, SockId};
use replicode_syscalls::{Call, Errno};

const SOL: u32 = 0x7fff_ffff;
const IPV6: u32 = 41;
const V6ONLY: u32 = 26;
const LINGER: u32 = 13;
const ANY: [u8; 16] = [0; 16];
const ONE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

const fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// Puts a `sockaddr_in6` in its place, and its length before it.
fn addr6(guest: &mut Guest, ip: [u8; 16], port: u16) {
    let mut bytes = [0; 28];
    bytes[0] = 2;
    bytes[2..4].copy_from_slice(&port.to_be_bytes());
    bytes[8..24].copy_from_slice(&ip);
    guest.put(ADDR, &bytes);
    guest.put(ADDR_LEN, &28_u32.to_le_bytes());
}

/// The IPv6 address and port that a call told.
fn found6(guest: &Guest) -> ([u8; 16], u16) {
    assert_eq!((guest.u16(ADDR), guest.u32(ADDR_LEN)), (2, 28));
    (guest.bytes(ADDR + 8, 16).try_into().unwrap(), u16::from_be_bytes(guest.bytes(ADDR + 2, 2).try_into().unwrap()))
}

fn set(guest: &mut Guest, fd: u32, level: u32, option: u32, value: &[u32]) -> Result<i32, Errno> {
    for (n, word) in (0..).zip(value) {
        guest.put(BUF + 4 * n, &word.to_le_bytes());
    }
    guest.done(Call::BsdSetsockopt { fd, level, option, value: BUF, value_len: 4 * value.len() as u32 })
}

fn get(guest: &mut Guest, fd: u32, level: u32, option: u32) -> Result<u32, Errno> {
    guest.put(ADDR_LEN, &8_u32.to_le_bytes());
    let call = Call::BsdGetsockopt { fd, level, option, value: OUT, value_len: ADDR_LEN };
    guest.done(call).map(|_| guest.u32(OUT))
}

fn socket6(guest: &mut Guest, only: bool) -> u32 {
    let fd = guest.ok(Call::BsdOpen { domain: 2, kind: 6, protocol: 6 });
    set(guest, fd, IPV6, V6ONLY, &[only.into()]).unwrap();
    fd
}

fn bind6(guest: &mut Guest, fd: u32, ip: [u8; 16], port: u16) -> Result<i32, Errno> {
    addr6(guest, ip, port);
    guest.done(Call::BsdBind { fd, addr: ADDR, addr_len: 28 })
}

/// Listens on `[::]` at a port; the descriptor, and what was said to the network.
fn listen6(guest: &mut Guest, only: bool, port: u16) -> (u32, Vec<Egress>) {
    let fd = socket6(guest, only);
    bind6(guest, fd, ANY, port).unwrap();
    guest.ok(Call::BsdListen { fd, backlog: 5 });
    (fd, guest.net())
}

fn comes(guest: &mut Guest, listener: SockId, peer: HostAddr) -> Result<SockId, Refused> {
    guest.kernel.deliver(Ingress::Incoming { listener, peer, send_window: SEND_WINDOW }).map(Option::unwrap)
}

fn accepts(guest: &mut Guest, fd: u32) -> Result<u32, Errno> {
    addr6(guest, ANY, 0);
    guest.done(Call::BsdAccept { fd, flags: 0, addr: ADDR, addr_len: ADDR_LEN }).map(|fd| fd as u32)
}

#[test]
fn a_listener_of_both_families_shows_mapped_addresses() {
    let mut guest = Guest::new();
    let (fd, said) = listen6(&mut guest, false, 80);
    let [Egress::Listen { sock, port: 80, .. }] = said[..] else { panic!("{said:?}") };
    comes(&mut guest, sock, client(4000)).unwrap();
    comes(&mut guest, sock, HostAddr::V6(ONE, 4001)).unwrap();
    let four = accepts(&mut guest, fd).unwrap();
    assert_eq!(found6(&guest), (mapped([192, 0, 2, 1]), 4000));
    accepts(&mut guest, fd).unwrap();
    assert_eq!(found6(&guest), (ONE, 4001));
    guest.ok(Call::BsdGetsockname { fd: four, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(found6(&guest), (mapped([10, 77, 0, 1]), 80));
    guest.ok(Call::BsdGetsockname { fd, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(found6(&guest), (ANY, 80));
    assert_eq!(get(&mut guest, four, SOL, 39), Ok(2), "SO_DOMAIN");
    // Room for less than an address: what fits, and the full length.
    guest.put(ADDR, &[0xee; 32]);
    guest.put(ADDR_LEN, &8_u32.to_le_bytes());
    guest.ok(Call::BsdGetpeername { fd: four, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!((guest.bytes(ADDR + 8, 1), guest.u32(ADDR_LEN)), (&[0xee][..], 28));
}

#[test]
fn a_listener_of_one_family_takes_that_family_only() {
    let mut guest = Guest::new();
    let (_, said) = listen6(&mut guest, true, 80);
    let [Egress::Listen { sock, .. }] = said[..] else { panic!("{said:?}") };
    assert_eq!(comes(&mut guest, sock, client(1)), Err(Refused::NoListener));
    assert_eq!(comes(&mut guest, sock, HostAddr::V6(mapped([192, 0, 2, 1]), 1)), Err(Refused::NoListener));
    assert!(comes(&mut guest, sock, HostAddr::V6(ONE, 1)).is_ok());
}

/// What servers do that bind every address which `getaddrinfo` gives them.
#[test]
fn two_listeners_share_a_port_and_each_gets_its_family() {
    let mut guest = Guest::new();
    let (six, said) = listen6(&mut guest, true, 80);
    let [Egress::Listen { sock: first, .. }] = said[..] else { panic!("{said:?}") };
    let four = guest.socket();
    guest.addr([0; 4], 80);
    guest.ok(Call::BsdBind { fd: four, addr: ADDR, addr_len: 16 });
    guest.ok(Call::BsdListen { fd: four, backlog: 5 });
    assert_eq!(guest.net(), [], "the port is known already");
    comes(&mut guest, first, client(4000)).unwrap();
    comes(&mut guest, first, HostAddr::V6(ONE, 4001)).unwrap();
    accepts(&mut guest, six).unwrap();
    assert_eq!(found6(&guest), (ONE, 4001));
    guest.addr([0; 4], 0);
    guest.ok(Call::BsdAccept { fd: four, flags: 0, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(guest.addr_found(), ([192, 0, 2, 1], 4000));
    guest.net();
    // The one that was known goes: the other takes its place, and then has the port alone.
    guest.ok(Call::FdClose { fd: six });
    let said = guest.net();
    let [Egress::Unlisten { sock: gone }, Egress::Listen { pid: Pid(1), sock: left, port: 80 }] = said[..] else {
        panic!("{said:?}")
    };
    assert!(gone == first && left != first);
    assert!(comes(&mut guest, left, client(4002)).is_ok());
    guest.ok(Call::FdClose { fd: four });
    assert!(matches!(guest.net()[..], [Egress::Unlisten { .. }, Egress::Abort { .. }]));
    let (_, said) = listen6(&mut guest, false, 80);
    assert!(matches!(said[..], [Egress::Listen { .. }]), "{said:?}");
    // And when the one behind goes first, nothing is said.
    let mut guest = Guest::new();
    listen6(&mut guest, true, 80);
    let four = guest.socket();
    guest.addr([0; 4], 80);
    guest.ok(Call::BsdBind { fd: four, addr: ADDR, addr_len: 16 });
    guest.ok(Call::BsdListen { fd: four, backlog: 5 });
    guest.ok(Call::FdClose { fd: four });
    assert_eq!(guest.net(), []);
}

#[test]
fn ports_of_both_families_exclude_those_of_each() {
    let mut guest = Guest::new();
    let (both, only) = (socket6(&mut guest, false), socket6(&mut guest, true));
    bind6(&mut guest, both, ANY, 80).unwrap();
    assert_eq!(bind6(&mut guest, only, ONE, 80), Err(Errno::AddrInUse));
    assert_eq!(set(&mut guest, both, IPV6, V6ONLY, &[1]), Err(Errno::Inval), "bound already");
    guest.addr([0; 4], 80);
    let four = guest.socket();
    assert_eq!(guest.done(Call::BsdBind { fd: four, addr: ADDR, addr_len: 16 }), Err(Errno::AddrInUse));
    assert_eq!(guest.done(Call::BsdBind { fd: only, addr: ADDR, addr_len: 16 }), Err(Errno::AfNoSupport));
    assert_eq!(set(&mut guest, four, IPV6, V6ONLY, &[1]), Err(Errno::NoProtoOpt));
    assert_eq!(bind6(&mut guest, only, mapped([127, 0, 0, 1]), 81), Err(Errno::Inval));
    let mut outside = ONE;
    outside[0] = 0x20;
    assert_eq!(bind6(&mut guest, only, outside, 81), Err(Errno::AddrNotAvail));
}

#[test]
fn connects_go_where_the_address_says() {
    for (to, asked, own) in [
        (ANY, HostAddr::V6(ONE, 80), ONE),
        (ONE, HostAddr::V6(ONE, 80), ONE),
        (mapped([10, 77, 0, 9]), HostAddr::V6(mapped([10, 77, 0, 9]), 80), mapped([10, 77, 0, 1])),
        (mapped([127, 0, 0, 1]), HostAddr::V6(mapped([127, 0, 0, 1]), 80), mapped([127, 0, 0, 1])),
    ] {
        let mut guest = Guest::new();
        let fd = socket6(&mut guest, false);
        addr6(&mut guest, to, 80);
        guest.waits(Call::BsdConnect { fd, addr: ADDR, addr_len: 28 });
        let said = guest.net();
        assert!(matches!(said[..], [Egress::Connect { to, .. }] if to == asked), "{said:?}");
        guest.ok(Call::BsdGetsockname { fd, addr: ADDR, addr_len: ADDR_LEN });
        assert_eq!(found6(&guest), (own, 32_768));
    }
    let mut guest = Guest::new();
    let fd = socket6(&mut guest, true);
    addr6(&mut guest, mapped([127, 0, 0, 1]), 80);
    assert_eq!(guest.done(Call::BsdConnect { fd, addr: ADDR, addr_len: 28 }), Err(Errno::NetUnreach));
    assert_eq!(guest.net(), []);
}

#[test]
fn a_linger_of_nothing_throws_the_connection_away() {
    for (value, aborted) in [([1, 0], true), ([1, 5], false), ([0, 0], false)] {
        let mut guest = Guest::new();
        let (fd, sock) = guest.connection();
        set(&mut guest, fd, SOL, LINGER, &value).unwrap();
        assert_eq!(get(&mut guest, fd, SOL, LINGER), Ok(value[0]));
        assert_eq!((guest.u32(OUT + 4), guest.u32(ADDR_LEN)), (value[1], 8));
        guest.ok(Call::FdClose { fd });
        let abort = guest.net().contains(&Egress::Abort { sock });
        assert_eq!(abort, aborted, "{value:?}");
    }
}

#[test]
fn what_is_kept_is_told_and_what_is_not_is_refused() {
    let mut guest = Guest::new();
    let fd = guest.socket();
    // Level, option, default, a value, what is told of it.
    for (level, option, default, value, told) in [
        (SOL, 1, 0, 1, 1),
        (SOL, 2, 0, 1, 1),
        (SOL, 5, 0, 7, 1),
        (SOL, 6, 0, 1, 1),
        (SOL, 10, 0, 1, 1),
        (SOL, 12, 0, 6, 6),
        (SOL, 15, 0, 1, 1),
        (0, 1, 0, 0x13, 0x10),
        (0, 2, 64, 9, 9),
        (6, 1, 0, 1, 1),
        (6, 3, 0, 1, 1),
        (6, 12, 1, 0, 0),
        (6, 23, 0, 5, 5),
    ] {
        assert_eq!(get(&mut guest, fd, level, option), Ok(default), "{level} {option}");
        assert_eq!(set(&mut guest, fd, level, option, &[value]), Ok(0), "{level} {option}");
        assert_eq!(get(&mut guest, fd, level, option), Ok(told), "{level} {option}");
    }
    for (level, option, value, errno) in [
        (0, 2, 256, Errno::Inval),
        (SOL, 18, 2, Errno::NoProtoOpt),
        (SOL, 19, 1, Errno::NoProtoOpt),
        (SOL, 13, 1, Errno::Inval), // Four bytes only.
        // TCP_USER_TIMEOUT and TCP_DEFER_ACCEPT would have to act.
        (6, 18, 1000, Errno::NoProtoOpt),
        (6, 9, 1, Errno::NoProtoOpt),
        (IPV6, 67, 1, Errno::NoProtoOpt),
    ] {
        assert_eq!(set(&mut guest, fd, level, option, &[value]), Err(errno), "{level} {option}");
    }
    assert_eq!(get(&mut guest, fd, IPV6, 67), Err(Errno::NoProtoOpt));
    let six = socket6(&mut guest, false);
    assert_eq!(get(&mut guest, six, IPV6, 67), Ok(0));
    // An accepted socket has its listener's settings (socket(7)).
    let (listener, sock) = guest.listen(80, 5);
    set(&mut guest, listener, 6, 1, &[1]).unwrap();
    set(&mut guest, listener, SOL, LINGER, &[1, 0]).unwrap();
    guest.incoming(sock);
    let conn = guest.accept(listener);
    assert_eq!((get(&mut guest, conn, 6, 1), get(&mut guest, conn, SOL, LINGER)), (Ok(1), Ok(1)));
}

#[test]
fn messages_move_several_buffers() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.put(BUF, b"hello world");
    let iovs_len = guest.iov(&[(BUF, 6), (BUF + 100, 0), (BUF + 6, 5)]);
    let send = Call::Sendmsg { fd, iovs: IOV, iovs_len, flags: 0xc000, addr: 0, addr_len: 0 };
    assert_eq!(guest.ok(send), 11);
    assert_eq!(guest.net(), [Egress::Send { sock, offset: 0, bytes: b"hello world".to_vec() }]);
    guest.data(sock, b"0123456789");
    let iovs_len = guest.iov(&[(BUF, 4), (BUF + 8, 100)]);
    guest.addr([0; 4], 0);
    let recv = Call::Recvmsg { fd, iovs: IOV, iovs_len, flags: 0x40, addr: ADDR, addr_len: ADDR_LEN };
    assert_eq!(guest.ok(recv), 10);
    assert_eq!((guest.bytes(BUF, 4), guest.bytes(BUF + 8, 6)), (&b"0123"[..], &b"456789"[..]));
    // The bytes of a stream carry no address (recv(2) on Linux).
    assert_eq!((guest.u32(ADDR_LEN), guest.addr_found()), (0, ([0; 4], 0)));
    assert_eq!(guest.done(recv), Err(Errno::Again));
    assert_eq!(
        guest.done(Call::Sendmsg { fd, iovs: IOV, iovs_len, flags: 1, addr: 0, addr_len: 0 }),
        Err(Errno::NotSup)
    );
}
