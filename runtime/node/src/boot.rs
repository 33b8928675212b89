//! A start of this node, as the log sees it: asked for, admitted, over, asked for again.
//!
//! ```text
//!            poll_ask / handle_asked             handle_booted                 handle_over, handle_silence
//! unasked ──────────────────────────> asked ───────────────────> granted ──────────────────────────────> unasked
//! ```
//!
//! The log knows a start by the nonce that it was asked with: boots of the past, which come by again when the log is executed
//! after a restart, have others. Whoever carries the question asks again and again until it is answered, whoever leads
//! meanwhile; so here it is asked once for each boot that is wanted.

use replicode_log::{BootNo, Mono, NodeId};
use replicode_pacing::peer_watch;
use std::time::Duration;

/// How often a node of a cluster looks whether it is cut off.
pub const WATCH: Duration = Duration::from_millis(500);

/// What an [`replicode_log::Output::Booted`] is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booted {
    /// This start is admitted. `first`: it was not before.
    Ours {
        /// Whether it is the first boot of this start.
        first: bool,
    },
    /// An earlier start of this node.
    Earlier,
    /// Another node.
    Other,
}

/// The boot of this node. See the module for how to drive it.
#[derive(Clone, Debug)]
pub struct Boot {
    node: NodeId,
    node_down_after: Duration,
    wanted: bool,
    /// Asked for with this number; the log answers with it.
    nonce: Option<u64>,
    granted: Option<BootNo>,
    live: bool,
    watched: Option<Mono>,
}

impl Boot {
    /// A start that has not been asked for. `node_down_after`: silence after which the others give a node up.
    #[must_use]
    pub const fn new(node: NodeId, node_down_after: Duration) -> Self {
        Self { node, node_down_after, wanted: true, nonce: None, granted: None, live: false, watched: None }
    }

    /// Whether the log is to be asked now. [`Boot::handle_asked`] tells with which number it was.
    pub const fn poll_ask(&mut self) -> bool {
        std::mem::replace(&mut self.wanted, false)
    }

    /// The log is asked, with this number.
    pub const fn handle_asked(&mut self, nonce: u64) {
        self.nonce = Some(nonce);
    }

    /// Whether the log answers this start's own question with a nonce.
    #[must_use]
    pub fn is_ours(&self, node: NodeId, nonce: u64) -> bool {
        node == self.node && self.nonce == Some(nonce)
    }

    /// The log has admitted a start.
    pub fn handle_booted(&mut self, node: NodeId, boot: BootNo, nonce: u64) -> Booted {
        if node != self.node {
            return Booted::Other;
        }
        if !self.is_ours(node, nonce) {
            return Booted::Earlier;
        }
        self.granted = Some(boot);
        Booted::Ours { first: !std::mem::replace(&mut self.live, true) }
    }

    /// The log says that a boot is over. Answers whether it is the one that this node has: then it is, and another is wanted.
    pub fn handle_over(&mut self, node: NodeId, boot: BootNo) -> bool {
        let ours = node == self.node && self.granted == Some(boot);
        if ours {
            self.let_go();
        }
        ours
    }

    /// Neither a leader nor a quorum has been heard for so long. Answers whether this node takes itself for dead, as the
    /// others do ([`peer_watch::is_cut_off`]): then its boot is over, and another is wanted.
    pub fn handle_silence(&mut self, silence: Duration) -> bool {
        let cut_off = self.granted.is_some() && peer_watch::is_cut_off(silence, self.node_down_after);
        if cut_off {
            self.let_go();
        }
        cut_off
    }

    /// Whether it is time to look for how long nobody has been heard. Once in [`WATCH`], and while a boot is granted.
    pub fn poll_look(&mut self, now: Mono) -> bool {
        let due = self.granted.is_some() && self.watched.is_none_or(|at| now >= at.plus(WATCH));
        if due {
            self.watched = Some(now);
        }
        due
    }

    /// When [`Boot::poll_look`] is due; none while there is nothing to lose.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let watched = self.watched.unwrap_or(Mono::from_nanos(0));
        self.granted.map(|_| watched.plus(WATCH))
    }

    /// The boot number, while the log grants one.
    #[must_use]
    pub const fn granted(&self) -> Option<BootNo> {
        self.granted
    }

    /// Whether this start has been admitted once: what is applied from now on was not executed before.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live
    }

    const fn let_go(&mut self) {
        // Outputs of the old boot, and a late grant of it, concern nobody any more.
        (self.granted, self.nonce, self.wanted) = (None, None, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Duration = Duration::from_secs(3);

    fn node(n: u64) -> NodeId {
        NodeId::new(n).expect("valid")
    }

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(5).plus(Duration::from_millis(ms))
    }

    fn asked(nonce: u64) -> Boot {
        let mut boot = Boot::new(node(2), DOWN);
        assert!(boot.poll_ask() && !boot.poll_ask(), "once");
        boot.handle_asked(nonce);
        boot
    }

    #[test]
    fn a_start_is_known_by_its_nonce() {
        let mut boot = asked(77);
        assert_eq!(boot.handle_booted(node(1), BootNo(1), 77), Booted::Other);
        assert_eq!(boot.handle_booted(node(2), BootNo(1), 76), Booted::Earlier);
        assert_eq!((boot.granted(), boot.is_live()), (None, false));
        assert_eq!(boot.handle_booted(node(2), BootNo(2), 77), Booted::Ours { first: true });
        assert_eq!((boot.granted(), boot.is_live()), (Some(BootNo(2)), true));
    }

    #[test]
    fn before_it_is_asked_nothing_is_its_own() {
        let mut boot = Boot::new(node(2), DOWN);
        assert_eq!(boot.handle_booted(node(2), BootNo(1), 0), Booted::Earlier);
    }

    #[test]
    fn a_boot_that_is_over_is_asked_for_again_and_its_late_grant_is_an_earlier_one() {
        let mut boot = asked(77);
        boot.handle_booted(node(2), BootNo(2), 77);
        assert!(!boot.handle_over(node(2), BootNo(1)), "that was another one");
        assert!(!boot.handle_over(node(1), BootNo(2)));
        assert!(boot.handle_over(node(2), BootNo(2)) && !boot.handle_over(node(2), BootNo(2)));
        assert_eq!((boot.granted(), boot.is_live(), boot.poll_ask()), (None, true, true));
        assert_eq!(boot.handle_booted(node(2), BootNo(2), 77), Booted::Earlier);
        boot.handle_asked(78);
        assert_eq!(boot.handle_booted(node(2), BootNo(3), 78), Booted::Ours { first: false });
    }

    #[test]
    fn who_hears_nobody_for_as_long_as_the_others_wait_lets_go() {
        let mut boot = asked(1);
        assert!(!boot.handle_silence(10 * DOWN), "there is nothing to let go of");
        assert_eq!((boot.poll_look(at(0)), boot.deadline()), (false, None));
        boot.handle_booted(node(2), BootNo(1), 1);
        assert!(boot.poll_look(at(0)) && !boot.poll_look(at(499)));
        assert_eq!(boot.deadline(), Some(at(500)));
        assert!(boot.poll_look(at(500)));
        assert!(!boot.handle_silence(DOWN - Duration::from_millis(1)));
        assert!(boot.handle_silence(DOWN) && boot.poll_ask());
        assert_eq!((boot.granted(), boot.deadline()), (None, None));
    }
}
