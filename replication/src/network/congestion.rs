//! Congestion control: CUBIC (RFC 9438), which never closes its window altogether.
//!
//! A way that was closed for longer than a few round trips counts as persistently congested, and the window falls to two packets
//! (RFC 9002, 7.6). When it closes again soon, what is sent first fills those two, and nothing more may be said before the next
//! attempt at the old, whose pauses double: the nudges of [`super::nudge`] would have no room, and a way that is open again be
//! found so only seconds later. Nothing on a connection between peers lives longer than [`super::endpoint::IDLE`] without an
//! answer; heartbeats, votes and nudges of so long fit into what is left open here. More than that waits its turn as it
//! does everywhere: a router on the way never meets with much more than this from a node that hears nothing.
//!
//! And it can be made to let a little more through than it would ([`let_through`]). What was on its way when the way closed may fill any window until
//! it counts as lost, which takes an acknowledgement of something later; and while there is something to send and no room for
//! it, quinn sends no acknowledgement either. Two such connections would wait for their next attempts at the old, whose pauses are
//! several round trips; and an acknowledgement that arrives when the way opens, of what was heard before it closed, has just
//! measured one of seconds.

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Bytes that may always be on their way.
const LEAST: u64 = 64 << 10;
/// Bytes that are let through beyond all that may be on its way: a few of the largest packets.
const ROOM: u64 = 32 << 10;

/// Makes controllers that never close their window.
pub struct OpenConfig {
    cubic: Arc<CubicConfig>,
}

impl OpenConfig {
    /// `initial_window`: bytes on their way before anything is known of the path.
    #[must_use]
    pub fn new(initial_window: u64) -> Self {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(initial_window);
        Self { cubic: Arc::new(cubic) }
    }
}

impl ControllerFactory for OpenConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Open { cubic: self.cubic.clone().build(now, current_mtu), shared: Arc::default() })
    }
}

/// See the module.
struct Open {
    cubic: Box<dyn Controller>,
    shared: Arc<Shared>,
}

/// What a connection's controller shares with its copies, which is how it is reached from outside.
#[derive(Default)]
struct Shared {
    /// The most that may be on its way: what was when that was last counted, and all that was sent since.
    most: AtomicU64,
    /// A window that is open whatever CUBIC says, until something is acknowledged.
    open: AtomicU64,
}

/// Lets the connection say a little, however much is on its way already. It must be woken afterwards.
pub fn let_through(connection: &quinn::Connection) {
    if let Ok(controller) = connection.congestion_state().into_any().downcast::<Open>() {
        controller.shared.let_through();
    }
}

impl Shared {
    fn let_through(&self) {
        self.open.store(self.most.load(Ordering::Relaxed).saturating_add(ROOM), Ordering::Relaxed);
    }

    fn close(&self) {
        self.open.store(0, Ordering::Relaxed);
    }
}

impl Controller for Open {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.shared.most.fetch_add(bytes, Ordering::Relaxed);
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &quinn_proto::RttEstimator) {
        self.shared.close();
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.shared.most.store(in_flight, Ordering::Relaxed);
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window().max(LEAST).max(self.shared.open.load(Ordering::Relaxed))
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.cubic.metrics();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { cubic: self.cubic.clone_box(), shared: self.shared.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    #[test]
    fn a_window_shrinks_and_stays_open() {
        let now = Instant::now();
        let mut controller = Arc::new(OpenConfig::new(1 << 20)).build(now, 1200);
        assert_eq!((controller.window(), controller.initial_window()), (1 << 20, 1 << 20));
        controller.on_congestion_event(now, now, false, 1200);
        let after_loss = controller.window();
        assert!(after_loss < 1 << 20 && after_loss > LEAST, "{after_loss}");
        let later = now + std::time::Duration::from_secs(1);
        controller.on_congestion_event(later, later, true, 1 << 20);
        assert_eq!((controller.window(), controller.metrics().congestion_window), (LEAST, LEAST));
        assert_eq!(controller.clone_box().window(), LEAST);
    }

    fn let_through(controller: &dyn Controller) {
        let reached = controller.clone_box().into_any().downcast::<Open>();
        assert!(reached.map(|copy| copy.shared.let_through()).is_ok());
    }

    #[test]
    fn a_little_is_let_through_however_much_is_on_its_way() {
        let now = Instant::now();
        let mut controller = Arc::new(OpenConfig::new(1 << 20)).build(now, 1200);
        // All that the window allows is sent, and then it shrinks.
        controller.on_sent(now, 1 << 20, 900);
        controller.on_congestion_event(now, now, true, 1200);
        assert_eq!(controller.window(), LEAST);
        let_through(&*controller);
        assert_eq!(controller.window(), (1 << 20) + ROOM, "beyond what may be on its way");
        // What is said then may be lost as well: the next time there is room beyond that.
        controller.on_sent(now, 1200, 901);
        let_through(&*controller);
        assert_eq!(controller.window(), (1 << 20) + 1200 + ROOM);
        controller.on_end_acks(now, 500_000, false, Some(901));
        assert_eq!(controller.window(), (1 << 20) + 1200 + ROOM, "until something is acknowledged");
        let closed = controller.clone_box().into_any().downcast::<Open>().map(|copy| copy.shared.close());
        assert!(closed.is_ok());
        assert_eq!(controller.window(), LEAST, "CUBIC's again");
    }
}
