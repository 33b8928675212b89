//! Mistakes that can be planted, one at a time, to see whether whoever judges this code finds them. Compiled in with the feature
//! `planted` only, which nothing that is shipped turns on.
//!
//! Each is named after what goes wrong. The one that is in force is chosen for a thread: a simulation runs a whole cluster on one.

use std::cell::Cell;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mistake {
    /// An append is acknowledged before its sync.
    AckBeforeSync,
    /// A vote is answered before it is durable.
    VoteBeforeSync,
    /// Recovery cuts the log at the first checksum that is wrong.
    CutAtBadSum,
    /// A sync that has failed is tried again.
    SyncAgain,
    /// A truncation does not reach back over segments: what it voided counts once more.
    VoidOnceMore,
    /// The cache drops entries that are not durable.
    CacheForgets,
    /// A leader's vote and the truncation for its sake change places in the queue.
    VoteAfterTruncation,
    /// A batch that does not continue the history is executed.
    UnchainedBatch,
    /// A batch goes to the machine when it is proposed, and not when it is agreed on.
    EarlyOutput,
    /// A pre-vote is always granted.
    PreVoteAlways,
    /// A node whose directory was wiped is listened to.
    WipedVotes,
    /// A restarted node takes no part before its machine has executed everything again.
    SlowRestart,
    /// A proposal that the engine refuses is never heard of.
    Wedge,
}

/// All of them, each with its name on command lines.
pub const ALL: [(&str, Mistake); 13] = [
    ("ack-before-sync", Mistake::AckBeforeSync),
    ("vote-before-sync", Mistake::VoteBeforeSync),
    ("cut-at-bad-sum", Mistake::CutAtBadSum),
    ("sync-again", Mistake::SyncAgain),
    ("void-once-more", Mistake::VoidOnceMore),
    ("cache-forgets", Mistake::CacheForgets),
    ("vote-after-truncation", Mistake::VoteAfterTruncation),
    ("unchained-batch", Mistake::UnchainedBatch),
    ("early-output", Mistake::EarlyOutput),
    ("pre-vote-always", Mistake::PreVoteAlways),
    ("wiped-votes", Mistake::WipedVotes),
    ("slow-restart", Mistake::SlowRestart),
    ("wedge", Mistake::Wedge),
];

thread_local! {
    static CHOSEN: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// From now on this mistake is made on this thread, or none.
pub fn plant(mistake: Option<Mistake>) {
    CHOSEN.set(mistake);
}

/// Whether this mistake is to be made.
#[must_use]
pub fn planted(mistake: Mistake) -> bool {
    CHOSEN.get() == Some(mistake)
}
