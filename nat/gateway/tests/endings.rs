//! How a connection ends when nobody reads what the client sends, when its host is silent, and when bytes are urgent.

mod common;

use common::{BOOT, Rig, config, conn, pattern, rest};
use replicode_gateway::{GatewayConfig, Patience};
use replicode_log::{Input, KeepAlive, Output};
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

const RESET: Result<(), ErrorKind> = Err(ErrorKind::ConnectionReset);

/// A client whose receive buffer is small, so that much waits on our side.
fn narrow(rig: &Rig) -> (TcpStream, replicode_log::ConnId) {
    let (client, c) = rig.client();
    SockRef::from(&client).set_recv_buffer_size(64 << 10).expect("open");
    (client, c)
}

#[test]
fn a_reset_comes_behind_everything_that_was_sent() {
    let answer = pattern(1, 3_000_000);
    for (fin_first, late) in [(false, 0), (true, 0), (false, 50), (true, 50)] {
        let rig = Rig::new(10, 4 << 20);
        let (mut client, c) = narrow(&rig);
        client.write_all(b"more than anybody reads").expect("buffered");
        rig.read(c, 0, 10);
        let mut outputs = vec![Output::Data { conn: c, offset: 0, bytes: answer.clone() }];
        if fin_first {
            outputs.push(Output::HalfClose { conn: c, offset: answer.len() as u64 });
        }
        outputs.push(Output::Reset { conn: c });
        rig.bring(outputs);
        std::thread::sleep(Duration::from_millis(late));
        let (bytes, end) = rest(&mut client);
        assert!(bytes == answer, "{} of {} bytes", bytes.len(), answer.len());
        // Behind a FIN nobody reads on.
        assert_eq!(end, if fin_first { Ok(()) } else { RESET });
        // For the log it has been over for long.
        let (_other, number) = rig.client();
        assert_eq!(number, conn(1));
    }
}

#[test]
fn a_client_may_finish_its_request_before_it_reads_the_answer() {
    let rig = Rig::new(10, 1 << 20);
    let (mut client, c) = rig.client();
    let answer = pattern(2, 1_000_000);
    rig.send(c, 0, &answer);
    rig.say(Output::Reset { conn: c });
    rig.settle();
    // More than all buffers between here and the gateway hold, and the answer is more than the client's receive buffer.
    SockRef::from(&client).set_recv_buffer_size(64 << 10).expect("open");
    match client.write_all(&pattern(3, 20_000_000)) {
        Ok(()) => {}
        // The reset came in between: as on Linux, it does not take the answer along.
        Err(error) => assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}"),
    }
    let mut got = vec![];
    let _ = client.read_to_end(&mut got);
    assert!(got == answer, "{} bytes", got.len());
}

#[test]
fn patience_with_a_client_that_takes_nothing_before_its_reset_is_bounded() {
    let patient = config(10, 32 << 20, 10);
    let rig = Rig::waiting(GatewayConfig { write_patience: Duration::from_millis(100), ..patient });
    rig.gateway.admit(BOOT);
    let (_client, c) = narrow(&rig);
    rig.send(c, 0, &pattern(4, 2_000_000));
    rig.say(Output::Reset { conn: c });
    let start = Instant::now();
    while !rig.gateway.clients().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn bytes_that_nobody_can_read_are_answered_with_a_reset_and_not_told_to_the_log() {
    let rig = Rig::new(100, 100);
    let (mut client, c) = rig.client();
    client.write_all(b"read").expect("open");
    rig.read(c, 0, 4);
    rig.send(c, 0, b"answer");
    rig.say(Output::HalfClose { conn: c, offset: 6 });
    rig.say(Output::Deaf { conn: c });
    rig.settle();
    // Silence is no offence, nor is credit needed for the next byte.
    assert_eq!(rig.gateway.clients().len(), 1);
    client.write_all(b"unread").expect("the reset is still to come");
    assert_eq!(rig.next(), Input::Reset { conn: c });
    assert_eq!(rest(&mut client).0, b"answer");
    let start = Instant::now();
    while client.write_all(&[0; 1000]).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(5), "it can send for ever");
    }
    let (_other, number) = rig.client();
    assert_eq!(number, conn(1));
}

#[test]
fn a_deaf_end_is_found_out_without_credit() {
    let rig = Rig::new(4, 100);
    let (mut client, c) = rig.client();
    client.write_all(b"12345678").expect("open");
    rig.read(c, 0, 4);
    rig.say(Output::HalfClose { conn: c, offset: 0 });
    rig.say(Output::Deaf { conn: c });
    assert_eq!(rig.next(), Input::Reset { conn: c });
}

#[test]
fn the_end_of_a_client_whose_program_is_deaf_is_an_end() {
    let rig = Rig::new(4, 100);
    let (client, c) = rig.client();
    rig.say(Output::HalfClose { conn: c, offset: 0 });
    rig.say(Output::Deaf { conn: c });
    drop(client);
    assert_eq!(rig.next(), Input::HalfClose { conn: c, offset: 0 });
    rig.say(Output::Closed { conn: c });
    rig.settle();
    assert_eq!(rig.gateway.clients(), []);
}

#[test]
fn urgent_bytes_come_in_line_and_stop_nothing() {
    // How much has arrived when the gateway reads decides; so several times, and with the log congested meanwhile, so
    // that everything lies in the socket before the first read.
    for round in 0..20_u64 {
        let (before, behind) = (pattern(round, 40_000), pattern(round + 100, 30_000));
        let rig = Rig::new(1 << 20, 100);
        let (mut client, c) = rig.client();
        if round % 2 == 0 {
            rig.congested.store(true, std::sync::atomic::Ordering::Release);
            rig.settle();
        }
        client.write_all(&before).expect("open");
        let urgent = SockRef::from(&client).send_out_of_band(b"!").expect("open");
        assert_eq!(urgent, 1);
        client.write_all(&behind).expect("open");
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(5));
            rig.congested.store(false, std::sync::atomic::Ordering::Release);
        }
        let got = rig.read(c, 0, before.len() + 1 + behind.len());
        assert!(got == [&before[..], b"!", &behind[..]].concat(), "round {round}");
    }
}

/// The timer of the gateway's socket to `client`, and when it fires: 2 is keepalive (proc_net_tcp(5), in 1/100 s).
fn timer(gateway: SocketAddr, client: SocketAddr) -> Option<(u8, Duration)> {
    let name = |addr: SocketAddr| match addr {
        SocketAddr::V4(it) => format!("{:08X}:{:04X}", u32::from_ne_bytes(it.ip().octets()), it.port()),
        SocketAddr::V6(_) => unreachable!("the tests use IPv4"),
    };
    let (local, remote) = (name(gateway), name(client));
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let line = table.lines().find(|line| line.contains(&format!("{local} {remote}")))?;
    let (kind, when) = line.split_whitespace().nth(5)?.split_once(':')?;
    let when = u64::from_str_radix(when, 16).ok()?;
    Some((u8::from_str_radix(kind, 16).ok()?, Duration::from_millis(when * 10)))
}

#[test]
fn every_client_is_asked_whether_it_is_there_as_soon_as_node_or_program_wants() {
    let seconds = Duration::from_secs;
    let keepalive = Patience { idle: seconds(40), interval: seconds(10), unacknowledged: seconds(60) };
    let rig = Rig::waiting(GatewayConfig { keepalive, ..config(100, 100, 10) });
    rig.gateway.admit(BOOT);
    let (client, c) = rig.client();
    let local = client.local_addr().expect("connected");
    let soon = |least: u64, most: u64| {
        let Some((kind, when)) = timer(rig.addr, local) else {
            eprintln!("left out: /proc/net/tcp does not tell of timers here");
            let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
            assert!(!root || std::env::var_os("CI").is_none(), "where root tests, it is not left out");
            return;
        };
        assert_eq!(kind, 2, "keepalive");
        assert!(when > seconds(least) && when <= seconds(most), "{when:?}");
    };
    soon(30, 40);
    let keep = |idle| Output::KeepAlive { conn: c, wanted: Some(KeepAlive { idle, interval: 1, count: 3 }) };
    rig.say(keep(20));
    rig.settle();
    soon(10, 20);
    rig.say(keep(7_200));
    rig.settle();
    soon(30, 40);
    rig.say(keep(5));
    rig.say(Output::KeepAlive { conn: c, wanted: None });
    rig.settle();
    soon(30, 40);
}
