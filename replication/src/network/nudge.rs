//! Finds out soon that a way is open again.
//!
//! QUIC says again what is not acknowledged, but after pauses that double (RFC 9002, 6.2.1): when a way was closed for two seconds
//! the next attempt may be two more away, and nothing that waits in the connection moves until then. So while something that
//! was sent is not acknowledged, something new is sent at every look. The first of it that arrives is acknowledged at once,
//! and shows the sender what was lost before it. A way that is open, idle or not, gets nothing more than before.
//!
//! A connection that has as much on its way as congestion control allows can say nothing new. The log's is soon so while the
//! peer is out of hearing. When the other connection to the same peer is heard and that one is not, it is given up for a new one.

use super::endpoint::RECEIVE_WINDOW;
use super::peer::{Lane, Peer};
use std::sync::Arc;
use std::time::Duration;

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Looks without an acknowledgement, though one is due, after which there is a nudge at every look.
const PATIENCE: u32 = 2;

/// Whether what was sent is heard. Pure: the connection's counters are arguments.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Acknowledgements that had come by the last look at which there were new ones.
    acks: u64,
    /// What had been sent by then that asks for one.
    sent: u64,
    /// Looks since, with something sent and no answer.
    looks: u32,
}

impl Heard {
    /// A look: how many acknowledgements have come, how much was sent that asks for one. Answers whether to nudge.
    fn look(&mut self, acks: u64, sent: u64) -> bool {
        if acks != self.acks {
            *self = Self { acks, sent, looks: 0 };
        } else if sent != self.sent {
            self.looks = self.looks.saturating_add(1);
        }
        self.looks >= PATIENCE
    }
}

/// A connection that is looked after.
struct Ear {
    connection: quinn::Connection,
    heard: Heard,
    window: u32,
}

impl Ear {
    fn new(connection: quinn::Connection) -> Self {
        Self { connection, heard: Heard::default(), window: RECEIVE_WINDOW }
    }

    /// Whether to nudge.
    fn look(&mut self) -> bool {
        let stats = self.connection.stats();
        let sent = stats.frame_tx.stream + stats.frame_tx.ping + stats.frame_tx.max_data;
        self.heard.look(stats.frame_rx.acks, sent)
    }

    /// Says the smallest thing that there is to say to whoever may not be listening for streams: there is room for a byte more.
    fn nudge(&mut self) {
        self.window = self.window.saturating_add(1);
        self.connection.set_receive_window(self.window.into());
    }
}

/// Looks after a connection that a peer has dialled, until it is closed.
pub async fn attend(connection: quinn::Connection) {
    let mut ear = Ear::new(connection);
    while ear.connection.close_reason().is_none() {
        tokio::time::sleep(LOOK).await;
        if ear.look() {
            ear.nudge();
        }
    }
}

/// When to give up a connection that is not heard. Pure.
#[derive(Clone, Copy, Debug, Default)]
struct Blocked {
    /// What the other connection had heard when this one began to hear nothing.
    acks: Option<u64>,
    looks: u32,
}

impl Blocked {
    /// A look: whether this one is to be nudged, and how many acknowledgements have come on the other. Answers whether to give
    /// this one up.
    fn look(&mut self, unheard: bool, other: u64) -> bool {
        if !unheard {
            *self = Self::default();
            return false;
        }
        // It may have been made anew meanwhile, and count from nothing.
        let before = self.acks.map_or(other, |acks| acks.min(other));
        self.acks = Some(before);
        self.looks = if other > before { self.looks + 1 } else { 0 };
        self.looks >= PATIENCE
    }
}

/// Looks after the connections to a peer that this node has dialled. Never ends.
pub async fn watch(peer: Arc<Peer>) {
    let (mut bulk, mut control, mut blocked) = (None, None, Blocked::default());
    loop {
        tokio::time::sleep(LOOK).await;
        for (ear, lane) in [(&mut bulk, Lane::Bulk), (&mut control, Lane::Control)] {
            renew(ear, peer.up(lane));
        }
        let unheard = bulk.as_mut().is_some_and(Ear::look);
        if let Some(control) = &mut control
            && (control.look() | unheard)
        {
            control.nudge();
        }
        if unheard && let Some(bulk) = &mut bulk {
            bulk.nudge();
        }
        let other = control.as_ref().map_or(0, |control| control.heard.acks);
        if blocked.look(unheard, other) {
            blocked = Blocked::default();
            tracing::info!(peer = %peer.node, "a peer is heard, but not where the log goes: that connection is made anew");
            peer.hang_up(Lane::Bulk);
        }
    }
}

/// Takes the connection that there is now, if it is another one than before.
fn renew(ear: &mut Option<Ear>, connection: Option<quinn::Connection>) {
    let id = |connection: &quinn::Connection| connection.stable_id();
    if ear.as_ref().map(|ear| id(&ear.connection)) != connection.as_ref().map(id) {
        *ear = connection.map(Ear::new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_acknowledged_is_a_reason_to_nudge() {
        let mut heard = Heard::default();
        assert!(!heard.look(0, 0));
        assert!(!heard.look(5, 10));
        // Idle: nothing was sent since.
        assert!((0..100).all(|_| !heard.look(5, 10)));
        // Sent, and not heard.
        assert_eq!([11, 11, 12, 13].map(|sent| heard.look(5, sent)), [false, true, true, true]);
        // Heard again.
        assert!(!heard.look(6, 14));
        assert!(!heard.look(6, 14));
        // Busy: acknowledgements come and go.
        assert!((7..100).all(|n| !heard.look(n, 10 * n)));
    }

    #[test]
    fn a_connection_is_given_up_when_the_other_one_is_heard_again_and_it_is_not() {
        let mut blocked = Blocked::default();
        assert!((0..50).all(|n| !blocked.look(false, n)), "it is heard");
        assert!((0..50).all(|_| !blocked.look(true, 50)), "neither is");
        assert_eq!([51, 52].map(|other| blocked.look(true, other)), [false, true]);
        let mut blocked = Blocked::default();
        assert_eq!([5, 6].map(|other| blocked.look(true, other)), [false, false]);
        assert!(!blocked.look(false, 7), "heard in time");
        assert_eq!([7, 8, 9].map(|other| blocked.look(true, other)), [false, false, true]);
    }
}
