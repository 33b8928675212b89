//! The planted bugs: each breaks one rule on purpose, so that the tests of `core/sim` can show that they would notice.

/// Which rule is broken. Compiled in with the feature `planted` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// An acceptor answers before its record is durable.
    AnswerBeforeSync,
    /// An acceptor does not write its promises down.
    ForgetPromise,
    /// A proposer does not write its round down, and begins where it began before.
    ReuseBallot,
    /// A proposer proposes without having asked what may have been chosen.
    SkipPhase1,
    /// The kv-store does not look at sequence numbers.
    ApplyTwice,
    /// A node that believes to lead answers reads from its own state.
    ReadWithoutLease,
    /// A learner lets its acceptor forget what no snapshot holds yet.
    TrimTooFar,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 7] = [
        Mutation::AnswerBeforeSync,
        Mutation::ForgetPromise,
        Mutation::ReuseBallot,
        Mutation::SkipPhase1,
        Mutation::ApplyTwice,
        Mutation::ReadWithoutLease,
        Mutation::TrimTooFar,
    ];
}
