//! Congestion control: CUBIC (RFC 9438), which never closes its window altogether.
//!
//! A way that was closed for longer than a few round trips counts as persistently congested, and the window falls to two packets
//! (RFC 9002, 7.6). When it closes again soon, what is sent first fills those two, and nothing more may be said before the next
//! attempt at the old, whose pauses double: the nudges of [`super::nudge`] would have no room, and a way that is open again be
//! found so only seconds later. Nothing on a connection between peers lives longer than [`super::endpoint::IDLE`] without an
//! answer; heartbeats, votes and nudges of so long fit into what is left open here. More than that waits its turn as it
//! does everywhere: a router on the way never meets with more than this from a node that hears nothing.

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// Bytes that may always be on their way.
const LEAST: u64 = 64 << 10;

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
        Box::new(Open(self.cubic.clone().build(now, current_mtu)))
    }
}

/// See the module.
struct Open(Box<dyn Controller>);

impl Controller for Open {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.0.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &quinn_proto::RttEstimator) {
        self.0.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.0.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.0.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.0.window().max(LEAST)
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.0.metrics();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self(self.0.clone_box()))
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window()
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
}
