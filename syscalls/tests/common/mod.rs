//! A kernel driven by hand: one process, a few kilobytes of guest memory, and a typed way to make calls.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use replicode_log::{Egress, FsImage, HostAddr, Ingress, Limits, LogicalTime, Pid, SockId};
use replicode_syscalls::{Call, Errno, Kernel, ProcessSpec, Step};

/// Unix time of genesis in the tests.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;
/// Credit that new connections get.
pub const SEND_WINDOW: u64 = 1000;

/// Where calls put what they answer.
pub const OUT: u32 = 0x100;
/// Where vectored calls find their list of buffers.
pub const IOV: u32 = 0x200;
/// Where paths and names are put.
pub const PATH: u32 = 0x400;
/// A second path.
pub const PATH2: u32 = 0x800;
/// Where addresses are put, and before them their length.
pub const ADDR: u32 = 0xc10;
pub const ADDR_LEN: u32 = 0xc00;
/// Where data is.
pub const BUF: u32 = 0x1000;
/// Where subscriptions and events are.
pub const SUBS: u32 = 0x8000;
pub const EVENTS: u32 = 0xc000;
pub const MEMORY: usize = 0x10000;

pub struct Guest {
    pub kernel: Kernel,
    pub pid: Pid,
    pub memory: Vec<u8>,
}

pub fn spec(name: &str) -> ProcessSpec {
    ProcessSpec {
        name: name.into(),
        args: vec![name.into(), "-x".into()],
        env: vec![("A".into(), "1".into())],
        stdin: true,
        listeners: vec![],
        seed: [7; 32],
    }
}

pub fn client(port: u16) -> HostAddr {
    HostAddr::V4([192, 0, 2, 1], port)
}

impl Guest {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let mut kernel = Kernel::new(limits, EPOCH, &FsImage::default()).unwrap();
        let pid = kernel.spawn(spec("main")).unwrap();
        kernel.advance(LogicalTime::from_nanos(1_000));
        assert_eq!(kernel.next_ready(), Some(pid));
        while kernel.poll_stdin_window().is_some() {}
        Self { kernel, pid, memory: vec![0; MEMORY] }
    }

    pub fn call(&mut self, call: Call) -> Step {
        self.kernel.call(self.pid, &mut self.memory, call)
    }

    /// A call that has to finish; its value, or its error.
    #[track_caller]
    pub fn done(&mut self, call: Call) -> Result<i32, Errno> {
        match self.call(call) {
            Step::Done(result) => {
                let preview1 = call.import().module == "wasi_snapshot_preview1";
                let raw = if preview1 { result } else { -result.min(0) };
                match Errno::from_raw(raw) {
                    Some(Errno::Success) => Ok(result),
                    Some(errno) => Err(errno),
                    None => panic!("{call:?} answered {result}"),
                }
            }
            other => panic!("{call:?} answered {other:?}"),
        }
    }

    #[track_caller]
    pub fn ok(&mut self, call: Call) -> u32 {
        match self.done(call) {
            Ok(value) => value.try_into().unwrap(),
            Err(errno) => panic!("{call:?} failed: {errno}"),
        }
    }

    #[track_caller]
    pub fn waits(&mut self, call: Call) {
        assert_eq!(self.call(call), Step::Wait, "{call:?}");
    }

    /// The process was woken and is resumed.
    #[track_caller]
    pub fn resumed(&mut self) {
        assert_eq!(self.kernel.next_ready(), Some(self.pid));
    }

    #[track_caller]
    pub fn sleeps(&mut self) {
        assert_eq!(self.kernel.next_ready(), None);
    }

    pub fn at(&mut self, nanos: u64) {
        self.kernel.advance(LogicalTime::from_nanos(nanos));
    }

    pub fn put(&mut self, at: u32, bytes: &[u8]) -> u32 {
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        bytes.len() as u32
    }

    pub fn bytes(&self, at: u32, len: u32) -> &[u8] {
        &self.memory[at as usize..][..len as usize]
    }

    pub fn u16(&self, at: u32) -> u16 {
        u16::from_le_bytes(self.bytes(at, 2).try_into().unwrap())
    }

    pub fn u32(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }

    pub fn u64(&self, at: u32) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    /// Puts a list of buffers at [`IOV`]; answers how many there are.
    pub fn iov(&mut self, buffers: &[(u32, u32)]) -> u32 {
        for (n, (ptr, len)) in (0..).zip(buffers) {
            self.put(IOV + n * 8, &ptr.to_le_bytes());
            self.put(IOV + n * 8 + 4, &len.to_le_bytes());
        }
        buffers.len() as u32
    }

    #[track_caller]
    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> u32 {
        let len = self.put(BUF, bytes);
        let iovs_len = self.iov(&[(BUF, len)]);
        self.ok(Call::FdWrite { fd, iovs: IOV, iovs_len, nwritten: OUT });
        self.u32(OUT)
    }

    /// The call that reads up to `len` bytes into [`BUF`].
    pub fn read_call(&mut self, fd: u32, len: u32) -> Call {
        let iovs_len = self.iov(&[(BUF, len)]);
        Call::FdRead { fd, iovs: IOV, iovs_len, nread: OUT }
    }

    #[track_caller]
    pub fn read(&mut self, fd: u32, len: u32) -> Vec<u8> {
        let call = self.read_call(fd, len);
        self.ok(call);
        self.bytes(BUF, self.u32(OUT)).to_vec()
    }

    /// `path_open` below the root.
    pub fn open(&mut self, path: &str, oflags: u32, base: u64, flags: u32) -> Result<u32, Errno> {
        let path_len = self.put(PATH, path.as_bytes());
        let call = Call::PathOpen {
            fd: 3,
            lookup: 1,
            path: PATH,
            path_len,
            oflags,
            base,
            inheriting: u64::MAX,
            flags,
            opened: OUT,
        };
        self.done(call).map(|_| self.u32(OUT))
    }

    #[track_caller]
    pub fn fd_flags(&mut self, fd: u32, flags: u32) {
        self.ok(Call::FdFdstatSetFlags { fd, flags });
    }

    /// Puts a `sockaddr_in` at [`ADDR`] and its length before it.
    pub fn addr(&mut self, ip: [u8; 4], port: u16) {
        let [high, low] = port.to_be_bytes();
        self.put(ADDR, &[1, 0, high, low, ip[0], ip[1], ip[2], ip[3], 0, 0, 0, 0, 0, 0, 0, 0]);
        self.put(ADDR_LEN, &16_u32.to_le_bytes());
    }

    /// The address and port at [`ADDR`].
    pub fn addr_found(&self) -> ([u8; 4], u16) {
        let bytes = self.bytes(ADDR, 8);
        (bytes[4..].try_into().unwrap(), u16::from_be_bytes([bytes[2], bytes[3]]))
    }

    #[track_caller]
    pub fn socket(&mut self) -> u32 {
        self.ok(Call::BsdOpen { domain: 1, kind: 6, protocol: 0 })
    }

    /// A listener on a port; its descriptor and its number.
    #[track_caller]
    pub fn listen(&mut self, port: u16, backlog: u32) -> (u32, SockId) {
        let fd = self.socket();
        self.addr([0; 4], port);
        self.ok(Call::BsdBind { fd, addr: ADDR, addr_len: 16 });
        self.ok(Call::BsdListen { fd, backlog });
        match self.kernel.poll_net() {
            Some(Egress::Listen { sock, .. }) => (fd, sock),
            other => panic!("{other:?}"),
        }
    }

    /// A client connects.
    #[track_caller]
    pub fn incoming(&mut self, listener: SockId) -> SockId {
        let event = Ingress::Incoming { listener, peer: client(4000), send_window: SEND_WINDOW };
        self.kernel.deliver(event).unwrap().unwrap()
    }

    #[track_caller]
    pub fn accept(&mut self, fd: u32) -> u32 {
        self.ok(Call::BsdAccept { fd, flags: 0, addr: 0, addr_len: 0 })
    }

    /// A connection from outside: its descriptor and its number. Nothing is left to poll.
    #[track_caller]
    pub fn connection(&mut self) -> (u32, SockId) {
        let (listener, sock) = self.listen(0, 5);
        let conn = self.incoming(sock);
        let fd = self.accept(listener);
        self.net();
        (fd, conn)
    }

    pub fn data(&mut self, sock: SockId, bytes: &[u8]) {
        self.kernel.deliver(Ingress::Data { sock, bytes: bytes.to_vec() }).unwrap();
    }

    pub fn deliver(&mut self, event: Ingress) {
        self.kernel.deliver(event).unwrap();
    }

    /// Everything that the kernel has to say to the network.
    pub fn net(&mut self) -> Vec<Egress> {
        std::iter::from_fn(|| self.kernel.poll_net()).collect()
    }

    /// Puts bytes at [`BUF`] and answers the call that sends them.
    pub fn send_call(&mut self, fd: u32, bytes: &[u8], flags: u32) -> Call {
        let len = self.put(BUF, bytes);
        Call::BsdSend { fd, data: BUF, len, flags }
    }

    pub fn recv_call(&self, fd: u32, len: u32, flags: u32) -> Call {
        Call::BsdRecv { fd, data: BUF, len, flags }
    }

    #[track_caller]
    pub fn recv(&mut self, fd: u32, len: u32, flags: u32) -> Vec<u8> {
        let n = self.ok(self.recv_call(fd, len, flags));
        self.bytes(BUF, n).to_vec()
    }
}
