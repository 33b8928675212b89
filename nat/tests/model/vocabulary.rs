//! What can happen in a history, and how often it does.

use crate::common::conn;
use proptest::prelude::*;
use replicode_log::{ConnId, Refused};

/// The vocabulary. Offsets are chosen when the event is played: `slip` away from the right one.
#[derive(Clone, Debug)]
pub enum Event {
    Start(u32),
    End(u32),
    NodeOver(u64, u32),
    Open(ConnId, bool, u16),
    Data(ConnId, i8, usize),
    HalfClose(ConnId, i8),
    Acked(ConnId, i8),
    Reset(ConnId),
    Listen(u32, usize, u16),
    Unlisten(usize),
    Accepted(usize, u16),
    Connect(u32, u64, u8, u16),
    Send(usize, i8, usize),
    Fin(usize, i8),
    Window(usize, i8),
    Deaf(usize),
    KeepAlive(usize),
    Abort(usize),
    Closed(usize),
    Refuse(Option<Refused>),
}

pub fn events() -> impl Strategy<Value = Event> {
    let conns = (1u64..3, 1u32..3, 0u32..3).prop_map(|(n, boot, counter)| conn(n, boot, counter));
    let slip = prop_oneof![12 => Just(0i8), 1 => -3i8..0, 1 => 1i8..4];
    let sock = 0usize..8;
    let port = 80u16..82;
    let pid = 1u32..4;
    prop_oneof![
        2 => pid.clone().prop_map(Event::Start),
        1 => pid.clone().prop_map(Event::End),
        1 => (1u64..3, 1u32..3).prop_map(|(n, boot)| Event::NodeOver(n, boot)),
        8 => (conns.clone(), any::<bool>(), port.clone()).prop_map(|(c, web, port)| Event::Open(c, web, port)),
        8 => (conns.clone(), slip.clone(), 0usize..6).prop_map(|(c, slip, len)| Event::Data(c, slip, len)),
        3 => (conns.clone(), slip.clone()).prop_map(|(c, slip)| Event::HalfClose(c, slip)),
        4 => (conns.clone(), slip.clone()).prop_map(|(c, slip)| Event::Acked(c, slip)),
        1 => conns.prop_map(Event::Reset),
        6 => (pid.clone(), 0usize..5, port.clone()).prop_map(|(pid, sock, port)| Event::Listen(pid, sock, port)),
        1 => (0usize..5).prop_map(Event::Unlisten),
        8 => (sock.clone(), 5000u16..5010).prop_map(|(sock, port)| Event::Accepted(sock, port)),
        5 => (pid, 700u64..704, 0u8..6, port).prop_map(|(pid, sock, to, port)| Event::Connect(pid, sock, to, port)),
        10 => (sock.clone(), slip.clone(), 0usize..6).prop_map(|(sock, slip, len)| Event::Send(sock, slip, len)),
        4 => (sock.clone(), slip.clone()).prop_map(|(sock, slip)| Event::Fin(sock, slip)),
        6 => (sock.clone(), 0i8..6).prop_map(|(sock, more)| Event::Window(sock, more)),
        2 => sock.clone().prop_map(Event::Deaf),
        1 => sock.clone().prop_map(Event::KeepAlive),
        1 => sock.clone().prop_map(Event::Abort),
        4 => sock.prop_map(Event::Closed),
        1 => prop_oneof![Just(None), Just(Some(Refused::Backlog)), Just(Some(Refused::TableFull))]
            .prop_map(Event::Refuse),
        2 => Just(Event::Refuse(None)),
    ]
}
