//! Conversions between the generated words and `paxos-types`: total in both directions.

use crate::wit::{messages as m, types as t};
use paxos_types as p;
use paxos_types::Bytes;

/// A type of `paxos-types` and its word in WIT.
pub trait Words {
    /// The generated type.
    type Word;
    /// To WIT.
    fn word(self) -> Self::Word;
    /// From WIT.
    fn from_word(word: Self::Word) -> Self;
}

/// A fault with its text.
pub fn fault(kind: t::FaultKind, text: impl Into<String>) -> t::Fault {
    t::Fault { kind, text: text.into() }
}

impl<T: Words> Words for Vec<T> {
    type Word = Vec<T::Word>;
    fn word(self) -> Self::Word {
        self.into_iter().map(T::word).collect()
    }
    fn from_word(word: Self::Word) -> Self {
        word.into_iter().map(T::from_word).collect()
    }
}

impl<T: Words> Words for Option<T> {
    type Word = Option<T::Word>;
    fn word(self) -> Self::Word {
        self.map(T::word)
    }
    fn from_word(word: Self::Word) -> Self {
        word.map(T::from_word)
    }
}

impl Words for Bytes {
    type Word = Vec<u8>;
    /// Moves where nobody else holds the bytes.
    fn word(self) -> Vec<u8> {
        Vec::from(self)
    }
    fn from_word(word: Vec<u8>) -> Self {
        Bytes::from(word)
    }
}

macro_rules! number {
    ($($type:ident: $word:ty),* $(,)?) => {$(
        impl Words for p::$type {
            type Word = $word;
            #[inline]
            fn word(self) -> $word {
                self.0
            }
            #[inline]
            fn from_word(word: $word) -> Self {
                p::$type(word)
            }
        }
    )*};
}
number!(NodeId: u16, Slot: u64, Instant: u64, Incarnation: u64);

impl Words for p::Ballot {
    type Word = t::Ballot;
    fn word(self) -> t::Ballot {
        t::Ballot { round: self.round, node: self.node.0 }
    }
    fn from_word(word: t::Ballot) -> Self {
        p::Ballot { round: word.round, node: p::NodeId(word.node) }
    }
}

impl Words for p::Role {
    type Word = t::Role;
    fn word(self) -> t::Role {
        match self {
            p::Role::Proposer => t::Role::Proposer,
            p::Role::Acceptor => t::Role::Acceptor,
            p::Role::Learner => t::Role::Learner,
            p::Role::Client => t::Role::Client,
        }
    }
    fn from_word(word: t::Role) -> Self {
        match word {
            t::Role::Proposer => p::Role::Proposer,
            t::Role::Acceptor => p::Role::Acceptor,
            t::Role::Learner => p::Role::Learner,
            t::Role::Client => p::Role::Client,
        }
    }
}

impl Words for p::Endpoint {
    type Word = t::Endpoint;
    fn word(self) -> t::Endpoint {
        t::Endpoint { node: self.node.0, role: self.role.word() }
    }
    fn from_word(word: t::Endpoint) -> Self {
        p::Endpoint { node: p::NodeId(word.node), role: p::Role::from_word(word.role) }
    }
}

impl Words for p::Target {
    type Word = m::Target;
    fn word(self) -> m::Target {
        match self {
            p::Target::One(endpoint) => m::Target::One(endpoint.word()),
            p::Target::All(role) => m::Target::All(role.word()),
            p::Target::Others(role) => m::Target::Others(role.word()),
        }
    }
    fn from_word(word: m::Target) -> Self {
        match word {
            m::Target::One(endpoint) => p::Target::One(p::Endpoint::from_word(endpoint)),
            m::Target::All(role) => p::Target::All(p::Role::from_word(role)),
            m::Target::Others(role) => p::Target::Others(p::Role::from_word(role)),
        }
    }
}

impl Words for p::BatchId {
    type Word = m::BatchId;
    fn word(self) -> m::BatchId {
        m::BatchId { origin: self.origin.0, round: self.round, number: self.number }
    }
    fn from_word(word: m::BatchId) -> Self {
        p::BatchId { origin: p::NodeId(word.origin), round: word.round, number: word.number }
    }
}

impl Words for p::SlotReplies {
    type Word = m::SlotReplies;
    fn word(self) -> m::SlotReplies {
        m::SlotReplies { batch: self.batch.word(), first: self.first, replies: self.replies.word() }
    }
    fn from_word(word: m::SlotReplies) -> Self {
        p::SlotReplies { batch: p::BatchId::from_word(word.batch), first: word.first, replies: word.replies.into() }
    }
}

impl Words for p::AcceptedValue {
    type Word = t::AcceptedValue;
    fn word(self) -> t::AcceptedValue {
        t::AcceptedValue { slot: self.slot.0, ballot: self.ballot.word(), batch: self.batch.word() }
    }
    fn from_word(word: t::AcceptedValue) -> Self {
        p::AcceptedValue {
            slot: p::Slot(word.slot),
            ballot: p::Ballot::from_word(word.ballot),
            batch: word.batch.into(),
        }
    }
}

impl Words for p::Message {
    type Word = m::Message;

    fn word(self) -> m::Message {
        use m::Message as W;
        use p::Message as M;
        match self {
            M::Prepare { ballot, from } => W::Prepare(m::Prepare { ballot: ballot.word(), start: from.0 }),
            M::Promise { ballot, incarnation, from, first, accepted, more } => W::Promise(m::Promise {
                ballot: ballot.word(),
                incarnation: incarnation.0,
                start: from.0,
                first: first.0,
                accepted: accepted.word(),
                more,
            }),
            M::Nack { ballot, promised } => W::Nack(m::Nack { ballot: ballot.word(), promised: promised.word() }),
            M::Accept { ballot, slot, batch } => {
                W::Accept(m::Accept { ballot: ballot.word(), slot: slot.0, batch: batch.word() })
            }
            M::Accepted { ballot, incarnation, first, count, batches } => W::Accepted(m::Accepted {
                ballot: ballot.word(),
                incarnation: incarnation.0,
                first: first.0,
                count,
                batches: batches.word(),
            }),
            M::Executed { upto, replies } => W::Executed(m::Executed { upto: upto.0, replies: replies.word() }),
            M::Learn { from, to, values } => W::Learn(m::Learn { start: from.0, to: to.0, values }),
            M::Chosen { first, batches } => W::Chosen(m::Chosen { first: first.0, batches: batches.word() }),
            M::Trimmed { first } => W::Trimmed(m::Trimmed { first: first.0 }),
            M::SnapshotRequest { slot, offset } => W::SnapshotRequest(m::SnapshotRequest { slot: slot.0, offset }),
            M::SnapshotChunk { slot, offset, total, digest, bytes } => {
                W::SnapshotChunk(m::SnapshotChunk { slot: slot.0, offset, total, digest, bytes: bytes.word() })
            }
            M::Trim { upto } => W::Trim(m::Trim { upto: upto.0 }),
            M::Heartbeat { leading, follows, fit, applied, life } => W::Heartbeat(m::Heartbeat {
                leading: leading.word(),
                follows: follows.word(),
                fit,
                applied: applied.0,
                life,
            }),
            M::Register { incarnation } => W::Register(m::Register { incarnation: incarnation.0 }),
            M::Registered { incarnation } => W::Registered(m::Registered { incarnation: incarnation.0 }),
            M::Refused { incarnation, known } => W::Refused(m::Refused { incarnation: incarnation.0, known: known.0 }),
        }
    }

    fn from_word(word: m::Message) -> Self {
        use m::Message as W;
        use p::Message as M;
        let slot = p::Slot;
        let ballot = p::Ballot::from_word;
        let incarnation = p::Incarnation;
        match word {
            W::Prepare(w) => M::Prepare { ballot: ballot(w.ballot), from: slot(w.start) },
            W::Promise(w) => M::Promise {
                ballot: ballot(w.ballot),
                incarnation: incarnation(w.incarnation),
                from: slot(w.start),
                first: slot(w.first),
                accepted: Words::from_word(w.accepted),
                more: w.more,
            },
            W::Nack(w) => M::Nack { ballot: ballot(w.ballot), promised: ballot(w.promised) },
            W::Accept(w) => M::Accept { ballot: ballot(w.ballot), slot: slot(w.slot), batch: w.batch.into() },
            W::Accepted(w) => M::Accepted {
                ballot: ballot(w.ballot),
                incarnation: incarnation(w.incarnation),
                first: slot(w.first),
                count: w.count,
                batches: Words::from_word(w.batches),
            },
            W::Executed(w) => M::Executed { upto: slot(w.upto), replies: Words::from_word(w.replies) },
            W::Learn(w) => M::Learn { from: slot(w.start), to: slot(w.to), values: w.values },
            W::Chosen(w) => M::Chosen { first: slot(w.first), batches: Words::from_word(w.batches) },
            W::Trimmed(w) => M::Trimmed { first: slot(w.first) },
            W::SnapshotRequest(w) => M::SnapshotRequest { slot: slot(w.slot), offset: w.offset },
            W::SnapshotChunk(w) => M::SnapshotChunk {
                slot: slot(w.slot),
                offset: w.offset,
                total: w.total,
                digest: w.digest,
                bytes: w.bytes.into(),
            },
            W::Trim(w) => M::Trim { upto: slot(w.upto) },
            W::Heartbeat(w) => M::Heartbeat {
                leading: Words::from_word(w.leading),
                follows: Words::from_word(w.follows),
                fit: w.fit,
                applied: slot(w.applied),
                life: w.life,
            },
            W::Register(w) => M::Register { incarnation: incarnation(w.incarnation) },
            W::Registered(w) => M::Registered { incarnation: incarnation(w.incarnation) },
            W::Refused(w) => M::Refused { incarnation: incarnation(w.incarnation), known: incarnation(w.known) },
        }
    }
}
