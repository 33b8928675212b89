//! Bytes, credit and ends of one connection, against a log that the test writes.

mod common;

use common::{BOOT, Rig, assert_reset, config, conn, connect, pattern, rest, web};
use replicode_gateway::{ClientState, GatewayConfig};
use replicode_log::{HostAddr, Input, Output};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

fn host_addr(addr: SocketAddr) -> HostAddr {
    match addr {
        SocketAddr::V4(addr) => HostAddr::V4(addr.ip().octets(), addr.port()),
        SocketAddr::V6(addr) => HostAddr::V6(addr.ip().octets(), addr.port()),
    }
}

#[test]
fn the_log_learns_who_connects_and_what_comes() {
    let rig = Rig::new(100, 100);
    let mut client = connect(rig.addr);
    client.write_all(b"hello").expect("open");
    let from = host_addr(client.local_addr().expect("connected"));
    assert_eq!(rig.next(), Input::Open { conn: conn(0), to: web(), from });
    assert_eq!(rig.read(conn(0), 0, 5), b"hello");
    rig.send(conn(0), 0, b"HELLO");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"HELLO");
    let info = &rig.gateway.clients()[0];
    assert_eq!((info.conn, info.from, &info.to, info.state), (conn(0), from, &web(), ClientState::Open));
    assert_eq!((info.bytes_in, info.bytes_out, info.credit, info.unwritten), (5, 5, 100, 0));
    let (_second, number) = rig.client();
    assert_eq!(number, conn(1));
}

#[test]
fn nothing_is_read_beyond_the_credit() {
    let rig = Rig::new(10, 100);
    let (mut client, c) = rig.client();
    client.write_all(&pattern(1, 25)).expect("open");
    assert_eq!(rig.read(c, 0, 10), &pattern(1, 25)[..10]);
    // The next input is another client's: the first one's bytes stay in its socket.
    let (_other, _) = rig.client();
    assert_eq!(rig.gateway.clients()[0].bytes_in, 10);
    rig.say(Output::Credit { conn: c, limit: 16 });
    assert_eq!(rig.read(c, 10, 6), &pattern(1, 25)[10..16]);
    rig.say(Output::Credit { conn: c, limit: 4 });
    let (_third, _) = rig.client();
    rig.say(Output::Credit { conn: c, limit: 100 });
    assert_eq!(rig.read(c, 16, 9), &pattern(1, 25)[16..]);
    client.write_all(b"more").expect("open");
    assert_eq!(rig.read(c, 25, 4), b"more");
}

#[test]
fn the_end_is_told_even_when_credit_is_used_up() {
    let rig = Rig::new(4, 100);
    let (mut client, c) = rig.client();
    client.write_all(b"12345").expect("open");
    client.shutdown(Shutdown::Write).expect("open");
    assert_eq!(rig.read(c, 0, 4), b"1234");
    rig.say(Output::Credit { conn: c, limit: 5 });
    assert_eq!(rig.read(c, 4, 1), b"5");
    // At its limit the gateway cannot know that nothing more comes; one more byte of credit shows it.
    rig.say(Output::Credit { conn: c, limit: 6 });
    assert_eq!(rig.next(), Input::HalfClose { conn: c, offset: 5 });
}

#[test]
fn each_direction_ends_by_itself() {
    let rig = Rig::new(100, 100);
    let (mut client, c) = rig.client();
    client.write_all(b"question").expect("open");
    client.shutdown(Shutdown::Write).expect("open");
    rig.read(c, 0, 8);
    assert_eq!(rig.next(), Input::HalfClose { conn: c, offset: 8 });
    assert_eq!(rig.gateway.clients()[0].state, ClientState::ClientDone);
    rig.bring(vec![
        Output::Data { conn: c, offset: 0, bytes: b"ans".to_vec() },
        Output::Data { conn: c, offset: 3, bytes: b"wer".to_vec() },
        Output::HalfClose { conn: c, offset: 6 },
    ]);
    assert_eq!(rest(&mut client), (b"answer".to_vec(), Ok(())));
    assert_eq!(rig.gateway.clients()[0].state, ClientState::BothDone);
    rig.say(Output::Closed { conn: c });
    assert_eq!(rig.gateway.clients(), []);
}

#[test]
fn a_program_may_end_first_and_still_listen() {
    let rig = Rig::new(100, 100);
    let (mut client, c) = rig.client();
    rig.send(c, 0, b"banner");
    rig.say(Output::HalfClose { conn: c, offset: 6 });
    assert_eq!(rest(&mut client), (b"banner".to_vec(), Ok(())));
    assert_eq!(rig.gateway.clients()[0].state, ClientState::ProgramDone);
    client.write_all(b"still here").expect("only one direction has ended");
    assert_eq!(rig.read(c, 0, 10), b"still here");
}

#[test]
fn a_close_delivers_everything_although_the_client_goes_on_sending() {
    let answer = pattern(2, 3_000_000);
    let rig = Rig::new(10, 4 << 20);
    let (mut client, c) = rig.client();
    // These bytes exceed the credit, so they are never read for the log. With a plain close the operating system
    // would answer them with a reset and cut the answer short.
    client.write_all(&pattern(3, 50_000)).expect("buffered");
    rig.read(c, 0, 10);
    rig.bring(vec![
        Output::Data { conn: c, offset: 0, bytes: answer.clone() },
        Output::HalfClose { conn: c, offset: answer.len() as u64 },
        Output::Closed { conn: c },
    ]);
    let mut half = vec![0; answer.len() / 2];
    client.read_exact(&mut half).expect("the answer comes");
    client.write_all(&pattern(4, 50_000)).expect("thrown away, not refused");
    let (second_half, end) = rest(&mut client);
    assert_eq!(end, Ok(()));
    assert!([half, second_half].concat() == answer);
    assert_eq!(rig.gateway.clients()[0].state, ClientState::Closing);
    drop(client);
    // Nothing of all this is for the log any more.
    let (_other, number) = rig.client();
    assert_eq!(number, conn(1));
    assert_eq!(rig.gateway.clients().len(), 1);
}

#[test]
fn a_reset_by_the_log_is_a_reset_for_the_client() {
    for refusal in [None, Some(replicode_log::Refusal::TableFull)] {
        let rig = Rig::new(100, 100);
        let (mut client, c) = rig.client();
        rig.send(c, 0, b"true bytes");
        let mut bytes = [0; 10];
        client.read_exact(&mut bytes).expect("what was said before is delivered");
        rig.say(match refusal {
            None => Output::Reset { conn: c },
            Some(why) => Output::Refused { conn: c, why },
        });
        assert_reset(&mut client);
        assert_eq!(rig.gateway.clients(), []);
        rig.send(c, 10, b"late");
        rig.say(Output::Credit { conn: c, limit: 1000 });
        let (_other, number) = rig.client();
        assert_eq!(number, conn(1), "the log is not told what it said itself");
    }
}

#[test]
fn a_clients_reset_is_told_once() {
    let rig = Rig::new(100, 100);
    let (client, c) = rig.client();
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("open");
    drop(client);
    assert_eq!(rig.next(), Input::Reset { conn: c });
    assert_eq!(rig.gateway.clients(), []);
    let (_other, number) = rig.client();
    assert_eq!(number, conn(1));
}

#[test]
fn a_clients_reset_is_seen_without_credit_and_after_its_end() {
    let rig = Rig::new(4, 100);
    let (mut client, c) = rig.client();
    client.write_all(b"12345678").expect("open");
    rig.read(c, 0, 4);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("open");
    drop(client);
    assert_eq!(rig.next(), Input::Reset { conn: c });

    let (client, c) = rig.client();
    client.shutdown(Shutdown::Write).expect("open");
    assert_eq!(rig.next(), Input::HalfClose { conn: c, offset: 0 });
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("open");
    drop(client);
    assert_eq!(rig.next(), Input::Reset { conn: c });
}

#[test]
fn a_client_that_does_not_read_holds_the_window_and_no_more() {
    const WINDOW: u64 = 256 << 10;
    const TOTAL: u64 = 32 << 20;
    let bytes = pattern(5, TOTAL as usize);
    let rig = Rig::new(100, WINDOW as u32);
    let (mut client, c) = rig.client();
    let (mut sent, mut acked) = (0, 0);
    let mut reader = None;
    while acked < TOTAL - WINDOW {
        let room = (acked + WINDOW - sent).min(TOTAL - sent);
        if room > 0 {
            rig.send(c, sent, &bytes[sent as usize..(sent + room) as usize]);
            sent += room;
        }
        rig.settle();
        let info = &rig.gateway.clients()[0];
        assert_eq!(info.bytes_out + info.unwritten, sent);
        assert!(info.unwritten <= WINDOW);
        if info.bytes_out - acked < WINDOW / 4 && reader.is_none() {
            // Nothing comes back from here: the socket is full. The client wakes up.
            let mut client = client.try_clone().expect("descriptors are left");
            reader = Some(std::thread::spawn(move || {
                let mut all = vec![0; TOTAL as usize];
                client.read_exact(&mut all).expect("everything comes");
                all
            }));
        }
        match rig.next() {
            Input::Acked { conn, offset } => {
                assert_eq!(conn, c);
                assert!(offset - acked >= WINDOW / 4 && offset <= sent);
                acked = offset;
            }
            other => panic!("expected credit, got {other:?}"),
        }
    }
    let room = TOTAL - sent;
    if room > 0 {
        rig.send(c, sent, &bytes[sent as usize..]);
    }
    let reader = reader.expect("a client that does not read stops the program");
    assert!(reader.join().expect("the reader does not panic") == bytes);
    rig.say(Output::Reset { conn: c });
    assert_reset(&mut client);
}

#[test]
fn outputs_that_contradict_each_other_become_a_reset() {
    let wrong: [fn(replicode_log::ConnId) -> Output; 4] = [
        |conn| Output::Data { conn, offset: 4, bytes: b"gap".to_vec() },
        |conn| Output::Data { conn, offset: 3, bytes: vec![0; 101] },
        |conn| Output::HalfClose { conn, offset: 4 },
        |conn| Output::HalfClose { conn, offset: 2 },
    ];
    for output in wrong {
        let rig = Rig::new(100, 100);
        let (mut client, c) = rig.client();
        rig.send(c, 0, b"abc");
        let mut bytes = [0; 3];
        client.read_exact(&mut bytes).expect("sent");
        rig.say(output(c));
        assert_reset(&mut client);
        assert_eq!(rig.next(), Input::Reset { conn: c });
    }
}

#[test]
fn repeated_outputs_are_written_once() {
    let rig = Rig::new(100, 100);
    let (mut client, c) = rig.client();
    rig.send(c, 0, b"abc");
    rig.send(c, 0, b"abc");
    rig.send(c, 1, b"bcde");
    rig.say(Output::Closed { conn: c });
    assert_eq!(rest(&mut client), (b"abcde".to_vec(), Ok(())));
}

#[test]
fn outputs_for_nobody_are_ignored() {
    let rig = Rig::new(100, 100);
    let (mut client, c) = rig.client();
    rig.bring(vec![
        Output::Data { conn: conn(77), offset: 3, bytes: b"?".to_vec() },
        Output::Closed { conn: replicode_log::ConnId::console(replicode_log::Pid(1)) },
        Output::Exited { pid: replicode_log::Pid(1), status: replicode_log::ExitStatus::Killed },
        Output::Data { conn: c, offset: 0, bytes: b"!".to_vec() },
        Output::Closed { conn: c },
    ]);
    rig.bring(vec![]);
    assert_eq!(rest(&mut client), (b"!".to_vec(), Ok(())));
}

#[test]
fn patience_with_a_client_that_was_closed_is_bounded() {
    const WINDOW: u32 = 32 << 20;
    let patient = config(10, WINDOW, 10);
    let rig = Rig::waiting(GatewayConfig { end_patience: Duration::from_millis(20), ..patient.clone() });
    rig.gateway.admit(BOOT);
    let (mut client, c) = rig.client();
    rig.send(c, 0, b"bye");
    rig.say(Output::Closed { conn: c });
    assert_eq!(rest(&mut client), (b"bye".to_vec(), Ok(())), "its own end is open still");
    wait_for_nobody(&rig);

    let rig = Rig::waiting(GatewayConfig { write_patience: Duration::from_millis(20), ..patient });
    rig.gateway.admit(BOOT);
    let (mut client, c) = rig.client();
    rig.send(c, 0, &pattern(6, WINDOW as usize));
    rig.say(Output::Closed { conn: c });
    wait_for_nobody(&rig);
    assert_reset(&mut client);
}

fn wait_for_nobody(rig: &Rig) {
    while !rig.gateway.clients().is_empty() {
        std::thread::yield_now();
    }
}
