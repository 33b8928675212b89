//! What closing an open file does, with its last descriptor or when a process ends.

use crate::fs::Fs;
use crate::open_file::{Object, OpenFile};
use crate::outbox::Outbox;
use crate::ports::Ports;
use crate::socket::{Socket, State};
use crate::sockets::{Slot, Sockets};
use replicode_log::Egress;

/// Closes an open file. It is out of the table already.
pub(crate) fn close(mut file: OpenFile, ports: &mut Ports, fs: &mut Fs, sockets: &mut Sockets, outbox: &mut Outbox) {
    match file.object {
        Object::Stdin | Object::Console(_) => {}
        Object::File { ino, .. } | Object::Device { ino, .. } => fs.release(ino),
        Object::Directory { ino, .. } => {
            fs.end_listing(&mut file.listing, 0);
            fs.release(ino);
        }
        Object::Socket(slot) => close_socket(slot, ports, sockets, outbox),
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
