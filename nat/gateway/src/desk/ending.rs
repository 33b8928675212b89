//! How clients end: what is still waited for, for how long, and with what their socket is closed.

use super::Desk;
use crate::client::Awaited;
use crate::slots::Slot;
use replicode_log::Input;
use std::time::{Duration, Instant};

/// How soon, and how seldom at the most, it is asked again whether the last bytes before a reset have arrived. In
/// between it is asked again after as long as nothing has arrived.
const ACKS_PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

impl Desk {
    pub(super) fn give_patience(&mut self, slot: Slot, patience: Duration) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let deadline = Instant::now() + patience;
        if let Some(old) = client.deadline.replace(deadline) {
            self.deadlines.remove(&(old, slot));
        }
        self.deadlines.insert((deadline, slot));
    }

    pub(super) fn expire(&mut self) {
        while let Some(&(deadline, slot)) = self.deadlines.first()
            && deadline <= Instant::now()
        {
            match self.clients.get_mut(slot).and_then(|client| client.awaits) {
                Some(Awaited::Acks) => self.reset_when_taken(slot),
                Some(Awaited::End) | None => self.remove(slot),
            }
        }
    }

    /// Everything is written, and a reset is to follow. It must not overtake: it is sent when the client's host has it
    /// all, or has taken nothing more of it for as long as patience with writing lasts.
    pub(super) fn reset_when_taken(&mut self, slot: Slot) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let now = Instant::now();
        match client.unacked(&mut self.unacked, now) {
            Some((0, _)) => self.remove(slot),
            Some((_, since)) if now.duration_since(since) >= self.write_patience => self.remove(slot),
            Some((_, since)) => {
                let (least, most) = ACKS_PAUSE;
                let left = self.write_patience.saturating_sub(now.duration_since(since));
                self.give_patience(slot, now.duration_since(since).clamp(least, most).min(left));
            }
            // Nobody knows. An end in good order loses nothing either; what the client sends meanwhile is thrown away.
            None => match client.end_instead_of_reset() {
                Ok(()) => {
                    self.give_patience(slot, self.end_patience);
                    self.mark_write(slot);
                }
                Err(_) => self.remove(slot),
            },
        }
    }

    /// The connection is gone, and the log does not know yet.
    pub(super) fn lose(&mut self, slot: Slot) {
        if let Some(client) = self.clients.get_mut(slot) {
            // A closing connection is over for the log already.
            if !client.is_closing() {
                self.inputs.push(Input::Reset { conn: client.conn() });
            }
            self.remove(slot);
        }
    }

    /// Forgets a client. Its socket is closed: in good order if the log has asked for that, else with a reset.
    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(client) = self.clients.remove(slot) {
            if let Some(deadline) = client.deadline {
                self.deadlines.remove(&(deadline, slot));
            }
            client.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Commands;
    use crate::desk::WAKER;
    use crate::unacked::Unacked;
    use crate::{GatewayConfig, InputSink, Published};
    use mio::{Events, Poll, Waker};
    use replicode_log::{BootNo, ConnId, Limits, NodeId, Output, Service};
    use std::io::Read;
    use std::net::TcpStream;
    use std::sync::Arc;

    struct Nobody;

    impl InputSink for Nobody {
        fn offer(&mut self, inputs: &mut Vec<Input>) {
            inputs.clear();
        }
    }

    fn round(desk: &mut Desk, poll: &mut Poll, events: &mut Events) {
        let most = Duration::from_millis(5);
        poll.poll(events, Some(desk.patience().map_or(most, |patience| patience.min(most)))).expect("it works");
        events.iter().for_each(|event| desk.note(event));
        assert!(desk.round().expect("nothing breaks"));
    }

    #[test]
    fn where_nobody_knows_what_has_arrived_a_reset_becomes_an_end_and_the_end_comes() {
        for brought in [false, true] {
            let node = NodeId::new(1).expect("a number");
            let listen = "127.0.0.1:0".parse().expect("an address");
            let publish = vec![Published { listen, service: Service { process: "web".into(), port: 80 } }];
            let end_patience = Duration::from_millis(200);
            let config = GatewayConfig { end_patience, ..GatewayConfig::new(node, publish, &Limits::default()) };
            let mut poll = Poll::new().expect("a queue");
            let mut events = Events::with_capacity(16);
            let commands = Arc::new(Commands::new(Waker::new(poll.registry(), WAKER).expect("a waker")));
            let registry = poll.registry().try_clone().expect("a queue");
            let mut desk = Desk::new(config, Box::new(Nobody), registry, commands).expect("port 0 is free");
            desk.unacked = Unacked::with(|| Err(std::io::ErrorKind::Unsupported.into()));
            desk.admit(BootNo(1)).expect("a boot");
            let mut client = TcpStream::connect(desk.local_addrs()[0]).expect("it listens");
            while desk.clients.len() == 0 {
                round(&mut desk, &mut poll, &mut events);
            }
            let conn = ConnId::new(node, BootNo(1), 0).expect("the first");
            let outputs = vec![Output::Data { conn, offset: 0, bytes: b"answer".to_vec() }, Output::Reset { conn }];
            if brought {
                desk.bring(outputs);
            } else {
                outputs.into_iter().for_each(|output| desk.output(output));
                round(&mut desk, &mut poll, &mut events);
            }
            let began = Instant::now();
            // The client reads to the end, but does not end itself.
            client.set_read_timeout(Some(Duration::from_secs(10))).expect("open");
            let mut got = vec![];
            client.read_to_end(&mut got).expect("an end in good order");
            assert_eq!(got, b"answer");
            while desk.clients.len() > 0 {
                round(&mut desk, &mut poll, &mut events);
                assert!(began.elapsed() < Duration::from_secs(10), "it never ends");
            }
            assert!(began.elapsed() >= end_patience / 2, "patience with its end was none");
            assert!(desk.deadlines.is_empty());
        }
    }
}
