//! What closing an open file does, with its last descriptor or when a process ends.

use crate::abi::types::epoll::{ALWAYS, READABLE, WRITABLE};
use crate::contracts::Contracts;
use crate::epoll::{ANYTHING, Epolls};
use crate::eventfd::Events;
use crate::fs::Fs;
use crate::open_file::{Object, OpenFile};
use crate::outbox::Outbox;
use crate::pair::Pairs;
use crate::pipe::{PipeId, Pipes};
use crate::ports::Ports;
use crate::schedule::Schedule;
use crate::socket::{Socket, State};
use crate::sockets::{Slot, Sockets};
use crate::timerfd::Timers;
use replicode_log::Egress;

/// The parts of the kernel that a closed file concerns, besides its process.
pub(crate) struct Tables<'a> {
    pub(crate) fs: &'a mut Fs,
    pub(crate) sockets: &'a mut Sockets,
    pub(crate) pipes: &'a mut Pipes,
    pub(crate) pairs: &'a mut Pairs,
    pub(crate) events: &'a mut Events,
    pub(crate) contracts: &'a mut Contracts,
    pub(crate) timers: &'a mut Timers,
    pub(crate) epolls: &'a mut Epolls,
    pub(crate) schedule: &'a mut Schedule,
    pub(crate) outbox: &'a mut Outbox,
}

/// Closes an open file. It is out of the table already.
pub(crate) fn close(mut file: OpenFile, ports: &mut Ports, tables: Tables<'_>) {
    let Tables { fs, sockets, pipes, pairs, events, contracts, timers, epolls, schedule, outbox } = tables;
    if let Some(list) = file.watched {
        epolls.forget(list);
    }
    match file.object {
        Object::Stdin | Object::Console(_) => {}
        Object::File { ino, .. } | Object::Device { ino, .. } => fs.release(ino),
        Object::Directory { ino, .. } => {
            fs.end_listing(&mut file.listing, 0);
            fs.release(ino);
        }
        Object::Socket(slot) => close_socket(slot, ports, sockets, outbox),
        Object::PipeReader(id) => close_end_of_pipe(id, true, pipes, epolls),
        Object::PipeWriter(id) => close_end_of_pipe(id, false, pipes, epolls),
        Object::Pair(end) => {
            let Some(pair) = pairs.get_mut(end.pair.0) else { return };
            let watched = pair.side(end.peer()).waiters.watched;
            if pair.close(end) {
                pairs.remove(end.pair.0);
            } else if let Some(list) = watched {
                epolls.news(list, ANYTHING, 0);
            }
        }
        Object::Event(id) => {
            events.remove(id.0);
            contracts.event_closed(id);
        }
        Object::Timer(id) => {
            if let Some(entry) = timers.remove(id.0).and_then(|timer| timer.entry) {
                schedule.disarm(entry);
            }
        }
        Object::Epoll(id) => epolls.close(id),
    }
}

/// The other end hears of it; with both a pipe is gone.
fn close_end_of_pipe(id: PipeId, reader: bool, pipes: &mut Pipes, epolls: &mut Epolls) {
    let Some(pipe) = pipes.get_mut(id.0) else { return };
    let (other, news) = if reader {
        pipe.reader = false;
        (pipe.writing.watched, WRITABLE | ALWAYS)
    } else {
        pipe.writer = false;
        (pipe.reading.watched, READABLE | ALWAYS)
    };
    if !pipe.reader && !pipe.writer {
        pipes.remove(id.0);
    } else if let Some(list) = other {
        epolls.news(list, news, 0);
    }
}

fn close_socket(slot: Slot, ports: &mut Ports, sockets: &mut Sockets, outbox: &mut Outbox) {
    let Some(socket) = sockets.remove(slot) else { return };
    if let Some(port) = socket.held_port {
        ports.free(socket.family, port);
    }
    match &socket.state {
        State::Idle => {}
        State::Connecting => outbox.net(Egress::Abort { sock: socket.id }),
        State::Connected if socket.options.linger == Some(0) => outbox.net(Egress::Abort { sock: socket.id }),
        State::Connected => say_goodbye(&socket, outbox),
        State::Listening { queue, twin, .. } => {
            let port = socket.local_port.unwrap_or(0);
            let twin = twin.and_then(|twin| Some((twin, sockets.get_mut(twin)?)));
            if ports.announced.get(&port) == Some(&slot) {
                outbox.net(Egress::Unlisten { sock: socket.id });
                ports.announced.remove(&port);
                // What is left of the port gets the connections from now on.
                if let Some((twin, other)) = &twin {
                    ports.announced.insert(port, *twin);
                    outbox.net(Egress::Listen { pid: other.pid, sock: other.id, port });
                }
            }
            if let Some((_, Socket { state: State::Listening { twin, .. }, .. })) = twin {
                *twin = None;
            }
            for waiting in queue {
                if let Some(waiting) = sockets.remove(*waiting) {
                    outbox.net(Egress::Abort { sock: waiting.id });
                }
            }
        }
    }
}

/// A connection with bytes that nobody will read is thrown away, so that the peer does not take them for received
/// (RFC 1122, 4.2.2.13); any other ends in order. What was sent has left the socket already, and arrives either way.
fn say_goodbye(socket: &Socket, outbox: &mut Outbox) {
    if !socket.reset && !socket.recv.is_empty() {
        outbox.net(Egress::Abort { sock: socket.id });
        return;
    }
    if !socket.send_shut {
        outbox.net(Egress::Fin { sock: socket.id, offset: socket.sent });
    }
    outbox.net(Egress::Closed { sock: socket.id });
}
