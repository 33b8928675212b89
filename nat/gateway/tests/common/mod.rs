//! A gateway with a log that the test writes by hand, and one that echoes.
#![allow(dead_code, reason = "each test file uses its own part")]

use replicode_gateway::{Gateway, GatewayConfig, InputSink, Published};
use replicode_log::{BootNo, ConnId, Input, Limits, NodeId, Output, Service};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

pub const BOOT: BootNo = BootNo(1);

struct Tape(Sender<Input>, Arc<AtomicBool>);

impl InputSink for Tape {
    fn offer(&mut self, inputs: &mut Vec<Input>) {
        assert!(!inputs.is_empty());
        for input in inputs.drain(..) {
            // A test that is over does not listen any more.
            let _ = self.0.send(input);
        }
    }

    fn congested(&self) -> bool {
        self.1.load(Ordering::Acquire)
    }
}

pub struct Rig {
    pub gateway: Arc<Gateway>,
    pub inputs: Receiver<Input>,
    pub congested: Arc<AtomicBool>,
    pub addr: SocketAddr,
}

pub fn node() -> NodeId {
    NodeId::new(7).expect("7 is a node number")
}

pub fn conn(counter: u32) -> ConnId {
    ConnId::new(node(), BOOT, counter).expect("tests use valid numbers")
}

pub fn web() -> Service {
    Service { process: "web".into(), port: 80 }
}

pub fn config(recv_window: u32, send_window: u32, max_connections: usize) -> GatewayConfig {
    let listen = "127.0.0.1:0".parse().expect("this is an address");
    let publish = vec![Published { listen, service: web() }];
    let limits = Limits { recv_window, send_window, ..Limits::default() };
    GatewayConfig { max_connections, ..GatewayConfig::new(node(), publish, &limits) }
}

impl Rig {
    /// A gateway that is not admitted yet.
    pub fn waiting(config: GatewayConfig) -> Self {
        let (sender, inputs) = mpsc::channel();
        let congested = Arc::new(AtomicBool::new(false));
        let gateway =
            replicode_gateway::start(config, Tape(sender, Arc::clone(&congested))).expect("port 0 is always free");
        let addr = gateway.local_addrs()[0];
        Self { gateway: Arc::new(gateway), inputs, congested, addr }
    }

    pub fn new(recv_window: u32, send_window: u32) -> Self {
        let rig = Self::waiting(config(recv_window, send_window, 1000));
        rig.gateway.admit(BOOT);
        rig
    }

    pub fn next(&self) -> Input {
        self.inputs.recv_timeout(PATIENCE).expect("an input is due")
    }

    /// A client that the log knows of. Clients must come one after the other.
    pub fn client(&self) -> (TcpStream, ConnId) {
        let stream = connect(self.addr);
        match self.next() {
            Input::Open { conn, .. } => (stream, conn),
            other => panic!("expected a connection, got {other:?}"),
        }
    }

    /// Reads `len` bytes of one connection out of the log, and checks their offsets.
    pub fn read(&self, conn: ConnId, from: u64, len: usize) -> Vec<u8> {
        let mut all = vec![];
        while all.len() < len {
            match self.next() {
                Input::Data { conn: of, offset, bytes } => {
                    assert_eq!((of, offset), (conn, from + all.len() as u64));
                    assert!(!bytes.is_empty() && bytes.len() <= 64 << 10);
                    all.extend(bytes);
                }
                other => panic!("expected bytes, got {other:?}"),
            }
        }
        all
    }

    pub fn say(&self, output: Output) {
        self.bring(vec![output]);
    }

    /// What the log says, as a node brings it.
    pub fn bring(&self, outputs: Vec<Output>) {
        let few = outputs.len() <= 4;
        self.gateway.outputs(outputs, few);
    }

    pub fn send(&self, conn: ConnId, offset: u64, bytes: &[u8]) {
        self.say(Output::Data { conn, offset, bytes: bytes.to_vec() });
    }

    /// Returns when the gateway has done everything that was asked of it before.
    pub fn settle(&self) {
        let _ = self.gateway.clients();
    }

    /// Answers every client with what it says, until the gateway is gone.
    pub fn echo(self, recv_window: u64, send_window: u64) -> (Arc<Gateway>, SocketAddr) {
        let (gateway, addr) = (Arc::clone(&self.gateway), self.addr);
        let weak = Arc::downgrade(&self.gateway);
        let inputs = self.inputs;
        drop(self.gateway);
        std::thread::spawn(move || {
            let mut echo = Echo { recv_window, send_window, conns: BTreeMap::new() };
            while let Ok(first) = inputs.recv() {
                let mut outputs = vec![];
                for input in std::iter::once(first).chain(inputs.try_iter()) {
                    echo.admit(input, &mut outputs);
                }
                let Some(gateway) = weak.upgrade() else { return };
                let few = outputs.len() <= 4;
                gateway.outputs(outputs, few);
            }
        });
        (gateway, addr)
    }
}

/// An echo program behind the log, that keeps to its windows.
struct Echo {
    recv_window: u64,
    send_window: u64,
    conns: BTreeMap<ConnId, Conn>,
}

#[derive(Default)]
struct Conn {
    waiting: Vec<u8>,
    sent: u64,
    acked: u64,
    ended: bool,
}

impl Echo {
    fn admit(&mut self, input: Input, outputs: &mut Vec<Output>) {
        let conn = match input {
            Input::Open { conn, .. } => {
                self.conns.insert(conn, Conn::default());
                conn
            }
            Input::Data { conn, offset, bytes } => {
                let Some(state) = self.conns.get_mut(&conn) else { return };
                assert_eq!(offset, state.sent + state.waiting.len() as u64);
                assert!(state.waiting.len() + bytes.len() <= self.recv_window as usize, "credit was overrun");
                state.waiting.extend(bytes);
                conn
            }
            Input::HalfClose { conn, offset } => {
                let Some(state) = self.conns.get_mut(&conn) else { return };
                assert_eq!(offset, state.sent + state.waiting.len() as u64);
                state.ended = true;
                conn
            }
            Input::Acked { conn, offset } => {
                let Some(state) = self.conns.get_mut(&conn) else { return };
                assert!(offset > state.acked && offset <= state.sent);
                state.acked = offset;
                conn
            }
            Input::Reset { conn } => {
                self.conns.remove(&conn);
                return;
            }
            other => panic!("a gateway does not say {other:?}"),
        };
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let room = (state.acked + self.send_window - state.sent) as usize;
        let bytes: Vec<u8> = state.waiting.drain(..room.min(state.waiting.len())).collect();
        if !bytes.is_empty() {
            let offset = state.sent;
            state.sent += bytes.len() as u64;
            outputs.push(Output::Data { conn, offset, bytes });
            outputs.push(Output::Credit { conn, limit: state.sent + self.recv_window });
        }
        if state.ended && state.waiting.is_empty() {
            outputs.push(Output::HalfClose { conn, offset: state.sent });
            outputs.push(Output::Closed { conn });
            self.conns.remove(&conn);
        }
    }
}

pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
    stream
}

/// What is left of the stream: bytes, and how it ended.
pub fn rest(stream: &mut TcpStream) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut bytes = vec![];
    let end = stream.read_to_end(&mut bytes).map(|_| ()).map_err(|error| error.kind());
    (bytes, end)
}

pub fn assert_reset(stream: &mut TcpStream) {
    assert_eq!(rest(stream).1, Err(ErrorKind::ConnectionReset));
}

/// Bytes that differ at every place and from seed to seed.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend(x.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Sends all of `bytes`, ends the stream, and gives back all that was answered.
pub fn exchange(addr: SocketAddr, bytes: Vec<u8>) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut stream = connect(addr);
    let mut writer = stream.try_clone().expect("descriptors are left");
    let sender = std::thread::spawn(move || {
        writer.write_all(&bytes).expect("the gateway reads");
        writer.shutdown(std::net::Shutdown::Write).expect("the connection is there");
    });
    let answer = rest(&mut stream);
    sender.join().expect("the sender does not panic");
    answer
}
