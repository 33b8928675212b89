//! Finds out soon that a way is open again.
//!
//! QUIC says again what is not acknowledged, but after pauses that double (RFC 9002, 6.2.1): when a way was closed for two seconds
//! the next attempt may be two more away, and nothing that waits in the connection moves until then. So while something that
//! was sent is not acknowledged, something new is sent at every look. The first of it that arrives is acknowledged at once,
//! and shows the sender what was lost before it. A way that is open, idle or not, gets nothing more than before.

use super::endpoint::RECEIVE_WINDOW;
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

/// Looks after a connection until it is closed.
pub async fn watch(connection: quinn::Connection) {
    let (mut heard, mut window) = (Heard::default(), RECEIVE_WINDOW);
    while connection.close_reason().is_none() {
        tokio::time::sleep(LOOK).await;
        let stats = connection.stats();
        let sent = stats.frame_tx.stream + stats.frame_tx.ping + stats.frame_tx.max_data;
        if heard.look(stats.frame_rx.acks, sent) {
            // The smallest thing that there is to say to whoever may not be listening for streams: a byte more of room.
            window = window.saturating_add(1);
            connection.set_receive_window(window.into());
        }
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
}
