//! The watch over one member, for those who note moments as the network does. What it says is decided in
//! [`replicode_pacing::peer_watch`].

use crate::mono;
use replicode_pacing::peer_watch;
use std::time::{Duration, Instant};

pub use peer_watch::LOOK;

/// See [`peer_watch::Watch`].
#[derive(Clone, Copy, Debug)]
pub struct Watch(peer_watch::Watch);

impl Watch {
    /// A watch that does not lead.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(peer_watch::Watch::new(mono::of(now)))
    }

    /// A look by the thread that hears the peers, every [`LOOK`]. `leads`: the term in which this node leads.
    pub fn look(&mut self, now: Instant, leads: Option<u64>) {
        self.0.handle_look(leads, mono::of(now));
    }

    /// For how long this node, leading in a term, has listened in vain to a member that it last heard at `contact`.
    #[must_use]
    pub fn silence(&self, now: Instant, term: u64, contact: Option<Instant>) -> Duration {
        self.0.silence(term, contact.map(mono::of), mono::of(now))
    }
}
