//! What proposers, acceptors and learners say to each other.

use crate::batch::BatchId;
use crate::ids::{Ballot, Endpoint, Incarnation, NodeId, Role, Slot};
use bytes::Bytes;

/// A value that an acceptor has accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcceptedValue {
    /// The slot.
    pub slot: Slot,
    /// The ballot under which it was accepted last.
    pub ballot: Ballot,
    /// The batch; empty for a no-op.
    pub batch: Bytes,
}

/// The answers to one executed batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotReplies {
    /// The batch.
    pub batch: BatchId,
    /// The place in the batch of the first command that is answered: the answers to one batch may come in parts.
    pub first: u32,
    /// One encoded reply per command from there on, in the batch's order.
    pub replies: Bytes,
}

/// Where a message goes. "All" and "others" are one frame, encoded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One endpoint, which may be of the own node.
    One(Endpoint),
    /// That role of every node, the own one included.
    All(Role),
    /// That role of every other node.
    Others(Role),
}

impl Target {
    /// The endpoints meant, at `own` node of a cluster of `nodes`.
    pub fn endpoints(self, own: NodeId, nodes: &[NodeId]) -> impl Iterator<Item = Endpoint> + '_ {
        let (one, role, own_too) = match self {
            Target::One(endpoint) => (Some(endpoint), endpoint.role, false),
            Target::All(role) => (None, role, true),
            Target::Others(role) => (None, role, false),
        };
        let many = nodes.iter().copied().filter(move |n| one.is_none() && (own_too || *n != own));
        one.into_iter().chain(many.map(move |n| Endpoint::new(n, role)))
    }
}

/// One message. Who sent it is known from the connection, not from the message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// Proposer → acceptors: promise to accept nothing below `ballot`, and tell what you accepted in `from` and later. Sent again with
    /// a later `from` to fetch the rest of a promise that said `more`.
    Prepare {
        /// The leadership that begins.
        ballot: Ballot,
        /// The first slot whose outcome the proposer does not know.
        from: Slot,
    },
    /// Acceptor → proposer. Sent when the promise is durable, and with it everything it tells.
    Promise {
        /// What was promised.
        ballot: Ballot,
        /// The acceptor's storage.
        incarnation: Incarnation,
        /// The `from` that is answered.
        from: Slot,
        /// Slots below have been executed and trimmed at this acceptor: they are chosen, and nothing may be proposed there.
        first: Slot,
        /// Accepted values in slots `from` and later, in the order of slots.
        accepted: Vec<AcceptedValue>,
        /// Whether there are further ones, after the last of `accepted`.
        more: bool,
    },
    /// Acceptor → proposer: `ballot` is refused, since a higher one has been promised.
    Nack {
        /// What was refused.
        ballot: Ballot,
        /// What was promised.
        promised: Ballot,
    },
    /// Proposer → acceptors: accept this value.
    Accept {
        /// The leadership.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The batch; empty for a no-op.
        batch: Bytes,
    },
    /// Acceptor → learners: durably accepted, `count` slots from `first` on, all under one ballot.
    Accepted {
        /// The leadership.
        ballot: Ballot,
        /// The acceptor's storage.
        incarnation: Incarnation,
        /// The first of the slots.
        first: Slot,
        /// How many.
        count: u32,
        /// The batches, as many as slots, or none at all: only the learner of the own node and one that asked get them.
        batches: Vec<Bytes>,
    },
    /// Learner → proposer of its node: everything up to and including `upto` is executed; answers to that node's own batches.
    Executed {
        /// The last executed slot.
        upto: Slot,
        /// Answers to batches that originate here.
        replies: Vec<SlotReplies>,
    },
    /// Learner → acceptor or learner: tell me about these slots.
    Learn {
        /// The first slot.
        from: Slot,
        /// The last slot; whoever answers may stop earlier.
        to: Slot,
        /// Whether batches are wanted (of acceptors; learners always send them).
        values: bool,
    },
    /// Learner → learner: these slots are chosen, and this is what they hold.
    Chosen {
        /// The first of the slots.
        first: Slot,
        /// Their batches.
        batches: Vec<Bytes>,
    },
    /// Answer to [`Message::Learn`]: slots below `first` are no longer here. A learner that says so has a snapshot that covers them.
    Trimmed {
        /// The first slot that is still here.
        first: Slot,
    },
    /// Learner → learner: send a part of a snapshot.
    SnapshotRequest {
        /// The slot of the snapshot that is being fetched; 0: the newest.
        slot: Slot,
        /// Where the part begins.
        offset: u64,
    },
    /// Answer to [`Message::SnapshotRequest`].
    SnapshotChunk {
        /// The last slot that the snapshot contains.
        slot: Slot,
        /// Where the part begins.
        offset: u64,
        /// Bytes of the whole snapshot.
        total: u64,
        /// XXH3 (64 bit) of the whole snapshot.
        digest: u64,
        /// The part.
        bytes: Bytes,
    },
    /// Learner → acceptor of its node: a snapshot that contains everything up to and including `upto` is durable here.
    Trim {
        /// The last slot that may be forgotten.
        upto: Slot,
    },
    /// "I am alive": among proposers, among learners, and from a node's acceptor and learner to its proposer.
    Heartbeat {
        /// The leadership that the sender holds.
        leading: Option<Ballot>,
        /// The leadership whose holder the sender hears directly: it vouches for it to those who do not.
        follows: Option<Ballot>,
        /// Whether the sender could lead: its own acceptor and learner answer.
        fit: bool,
        /// The last slot the sender's node has executed.
        applied: Slot,
        /// A random number that a proposer has from its start to its end; 0 from other roles. Whoever is heard with another one was dead
        /// meanwhile.
        life: u64,
    },
    /// Fresh acceptor → acceptors: my storage is new, and this is its number.
    Register {
        /// The new storage.
        incarnation: Incarnation,
    },
    /// Acceptor → acceptor: noted durably.
    Registered {
        /// What was noted.
        incarnation: Incarnation,
    },
    /// Acceptor → acceptor: you had another storage before, with promises in it. You must not take part.
    Refused {
        /// The storage that was refused.
        incarnation: Incarnation,
        /// The one that is known.
        known: Incarnation,
    },
}

impl Message {
    /// The message's name, for logs and traces.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Prepare { .. } => "prepare",
            Message::Promise { .. } => "promise",
            Message::Nack { .. } => "nack",
            Message::Accept { .. } => "accept",
            Message::Accepted { .. } => "accepted",
            Message::Executed { .. } => "executed",
            Message::Learn { .. } => "learn",
            Message::Chosen { .. } => "chosen",
            Message::Trimmed { .. } => "trimmed",
            Message::SnapshotRequest { .. } => "snapshot-request",
            Message::SnapshotChunk { .. } => "snapshot-chunk",
            Message::Trim { .. } => "trim",
            Message::Heartbeat { .. } => "heartbeat",
            Message::Register { .. } => "register",
            Message::Registered { .. } => "registered",
            Message::Refused { .. } => "refused",
        }
    }

    /// Whether a queue that is full may drop it: everything whose loss a retransmission mends. (All but answers to clients, which
    /// nobody asks for a second time but the client itself.)
    pub fn droppable(&self) -> bool {
        !matches!(self, Message::Executed { .. })
    }
}
