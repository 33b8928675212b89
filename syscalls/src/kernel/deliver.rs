//! What arrives from outside a process: network events and standard input.

use super::Kernel;
use crate::abi::types::epoll::{IN, READABLE};
use crate::abi::{Call, Errno};
use crate::contracts::Asker;
use crate::epoll::ANYTHING;
use crate::family::{self, Family};
use crate::process::Run;
use crate::socket::{Socket, State, interest};
use crate::sockets::Slot;
use crate::timerfd::TimerId;
use crate::watched::Waiters;
use replicode_log::{HostAddr, Ingress, Pid, Refused, SockId};

impl Kernel {
    /// Takes an event of the network. [`Ingress::Incoming`] answers the new connection's socket, any other event
    /// nothing. Events for sockets that are gone, or that make no sense in a socket's state, change nothing.
    ///
    /// # Errors
    /// For [`Ingress::Incoming`] only: nobody listens there, or the queue is full.
    pub fn deliver(&mut self, event: Ingress) -> Result<Option<SockId>, Refused> {
        match event {
            Ingress::Incoming { listener, peer, send_window } => {
                return self.incoming(listener, peer, send_window).map(Some);
            }
            Ingress::Connected { sock, send_window } => self.change(sock, |socket| {
                if socket.state != State::Connecting {
                    return 0;
                }
                socket.connect(send_window);
                socket.connect_news = true;
                ANYTHING
            }),
            Ingress::ConnectFailed { sock, why } => self.connect_failed(sock, errno_of(why)),
            Ingress::Data { sock, bytes } => self.data(sock, bytes),
            Ingress::Fin { sock } => self.change(sock, |socket| {
                socket.recv_over = true;
                ANYTHING
            }),
            Ingress::Reset { sock } => {
                self.connect_failed(sock, Errno::ConnRefused);
                self.change(sock, |socket| {
                    if !socket.is_connected() {
                        return 0;
                    }
                    socket.reset_by_peer();
                    ANYTHING
                });
            }
            Ingress::Acked { sock, offset } => self.change(sock, |socket| {
                let full = socket.room() == 0;
                socket.acked(offset);
                // Room where there was some already is no news.
                if full && socket.room() > 0 { interest::WRITE } else { 0 }
            }),
        }
        Ok(None)
    }

    /// Bytes for a process's standard input. Dropped when the process is gone or its input has ended.
    pub fn deliver_stdin(&mut self, pid: Pid, bytes: Vec<u8>) {
        if let Some(process) = self.process_mut(pid)
            && !process.stdin.over
        {
            process.stdin.arrived += bytes.len() as u64;
            process.stdin.bytes.push(bytes);
            self.wake_for_stdin(pid, READABLE);
        }
    }

    /// The end of a process's standard input.
    pub fn end_stdin(&mut self, pid: Pid) {
        if let Some(process) = self.process_mut(pid) {
            process.stdin.over = true;
            self.wake_for_stdin(pid, ANYTHING);
        }
    }

    /// The answer to something that was asked of contracts. Dropped when nobody waits for it any more.
    pub fn deliver_contracts(&mut self, asker: Asker, answer: Vec<u8>) {
        let Some(event) = self.contracts.deliver(asker, answer) else { return };
        let waits = self.process_mut(asker.pid).filter(|process| matches!(process.run, Run::Waiting { .. }));
        let ends = waits.and_then(|process| process.pending).is_some_and(|pending| match pending.call {
            Call::ContractWait { ticket, .. } => asker.is(asker.pid, Some(ticket)),
            Call::ContractView { .. } | Call::ContractAccount { .. } | Call::ContractAddress { .. } => {
                asker.is(asker.pid, None)
            }
            _ => false,
        });
        if ends {
            self.wake(asker.pid);
        }
        if let Some(event) = event.and_then(|event| self.events.get_mut(event.0))
            && event.add(1)
        {
            let (pid, waiters) = (event.owner, event.waiters);
            self.tell(pid, waiters, IN);
        }
    }

    fn wake_for_stdin(&mut self, pid: Pid, news: u32) {
        if let Some(waiters) = self.process_mut(pid).map(|process| process.stdin.waiters) {
            self.tell(pid, waiters, news);
        }
    }

    /// A timer is due.
    pub(super) fn timer_due(&mut self, id: TimerId) {
        let Some(timer) = self.timers.get_mut(id.0) else { return };
        timer.entry = None;
        if timer.fire(self.now) {
            let (pid, waiters) = (timer.owner, timer.waiters);
            self.tell(pid, waiters, IN);
        }
    }

    fn incoming(&mut self, listener: SockId, peer: HostAddr, send_window: u64) -> Result<SockId, Refused> {
        let announced = self.sockets.slot_of(listener).ok_or(Refused::NoListener)?;
        let listener_slot = self.listener_for(announced, peer).ok_or(Refused::NoListener)?;
        let socket = self.sockets.get(listener_slot).ok_or(Refused::NoListener)?;
        let State::Listening { backlog, queue, .. } = &socket.state else { return Err(Refused::NoListener) };
        if queue.len() >= *backlog as usize {
            return Err(Refused::Backlog);
        }
        let (pid, family, port) = (socket.pid, socket.family, socket.local_port);
        let slot = self.sockets.insert(|id| {
            let mut socket = Socket::new(id, pid, family, self.limits.recv_window);
            socket.connect(send_window);
            socket.local_ip = family.shown(family::own_towards(family::ip_of(peer), pid));
            socket.local_port = port;
            socket.peer = Some(peer);
            socket
        });
        let id = self.sockets.get(slot).map(|socket| socket.id).ok_or(Refused::NoListener)?;
        if let Some(listener) = self.sockets.get_mut(listener_slot)
            && let State::Listening { queue, .. } = &mut listener.state
        {
            queue.push_back(slot);
        }
        self.wake_for_socket(listener_slot, interest::READ);
        Ok(id)
    }

    /// Which of the listeners at a port a peer reaches: where both families have one of their own, that of its family.
    fn listener_for(&self, announced: Slot, peer: HostAddr) -> Option<Slot> {
        let socket = self.sockets.get(announced)?;
        let State::Listening { twin, .. } = &socket.state else { return None };
        let own = matches!(socket.family, Family::V6 { .. }) == family::is_v6(peer);
        match twin {
            Some(twin) if !own => Some(*twin),
            _ => socket.family.takes(peer).then_some(announced),
        }
    }

    fn data(&mut self, sock: SockId, bytes: Vec<u8>) {
        let Some(slot) = self.sockets.slot_of(sock) else { return };
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        if !socket.is_connected() || socket.recv_over {
            return;
        }
        socket.arrived += bytes.len() as u64;
        // After SHUT_RD alone, too, as on Linux: what comes can be read, and if it is not, the window stops the peer. (After
        // SHUT_RDWR the NAT table lets nothing come.)
        socket.recv.push(bytes);
        self.wake_for_socket(slot, interest::READ);
    }

    /// Ends a connect that is under way, if one is.
    fn connect_failed(&mut self, sock: SockId, error: Errno) {
        let Some(slot) = self.sockets.slot_of(sock) else { return };
        let Some(socket) = self.sockets.get_mut(slot).filter(|it| it.state == State::Connecting) else { return };
        let (pid, family, freed) = (socket.pid, socket.family, socket.connect_failed(error));
        if let (Some(port), Some(process)) = (freed, self.process_mut(pid)) {
            process.ports.free(family, port);
        }
        self.wake_for_socket(slot, ANYTHING);
    }

    /// Changes a socket, and tells whoever is interested in what `change` answers.
    fn change(&mut self, sock: SockId, change: impl FnOnce(&mut Socket) -> u32) {
        let Some(slot) = self.sockets.slot_of(sock) else { return };
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        let news = change(socket);
        self.wake_for_socket(slot, news);
    }

    fn wake_for_socket(&mut self, slot: Slot, news: u32) {
        let Some(socket) = self.sockets.get(slot) else { return };
        let (pid, waiters) = (socket.pid, socket.waiters);
        self.tell(pid, waiters, news);
    }

    /// Tells whoever waits for something of a process, or watches it, what happened to it: bits of `EPOLL*`, or
    /// [`ANYTHING`].
    fn tell(&mut self, pid: Pid, waiters: Waiters, news: u32) {
        if waiters.watched.is_none() && waiters.interest & news == 0 {
            return;
        }
        let wait = match self.process_mut(pid) {
            Some(process) if matches!(process.run, Run::Waiting { .. }) => process.wait,
            _ => 0,
        };
        let mut ends = waiters.ends(news, wait);
        if let Some(list) = waiters.watched {
            ends |= self.epolls.news(list, news, wait);
        }
        if ends {
            self.wake(pid);
        }
    }
}

const fn errno_of(why: Refused) -> Errno {
    match why {
        Refused::NoListener | Refused::Backlog => Errno::ConnRefused,
        Refused::Unreachable => Errno::NetUnreach,
        Refused::TableFull => Errno::NoBufs,
    }
}
