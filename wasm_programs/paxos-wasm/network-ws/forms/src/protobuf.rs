//! The messages of `shared/paxos.proto`.

use crate::reader::{Fields, Value};
use crate::writer::Writer;
use paxos_types::{
    AcceptedValue, Ballot, BatchId, Bytes, Incarnation, Limits, Message, NodeId, Slot, SlotReplies, WireError, codec,
};

/// The frame of `messages`.
pub(crate) fn encode(messages: &[Message]) -> Vec<u8> {
    let mut w = Writer::new(messages.iter().map(codec::size_of).sum());
    for message in messages.iter().rev() {
        w.message(1, |w| w.message(number_of(message), |w| body(w, message)));
    }
    w.finish()
}

/// The field of `Message.kind` that a message is in.
fn number_of(message: &Message) -> u32 {
    match message {
        Message::Prepare { .. } => 1,
        Message::Promise { .. } => 2,
        Message::Nack { .. } => 3,
        Message::Accept { .. } => 4,
        Message::Accepted { .. } => 5,
        Message::Executed { .. } => 6,
        Message::Learn { .. } => 7,
        Message::Chosen { .. } => 8,
        Message::Trimmed { .. } => 9,
        Message::SnapshotRequest { .. } => 10,
        Message::SnapshotChunk { .. } => 11,
        Message::Trim { .. } => 12,
        Message::Heartbeat { .. } => 13,
        Message::Register { .. } => 14,
        Message::Registered { .. } => 15,
        Message::Refused { .. } => 16,
    }
}

fn put_ballot(w: &mut Writer, field: u32, ballot: Ballot) {
    w.message(field, |w| {
        w.number(2, ballot.node.0.into());
        w.number(1, ballot.round);
    });
}

fn put_batches(w: &mut Writer, field: u32, batches: &[Bytes]) {
    for batch in batches.iter().rev() {
        w.bytes(field, batch, true);
    }
}

/// The fields of a message, the last one first.
fn body(w: &mut Writer, message: &Message) {
    match message {
        Message::Prepare { ballot, from } => {
            w.number(2, from.0);
            put_ballot(w, 1, *ballot);
        }
        Message::Promise { ballot, incarnation, from, first, accepted, more } => {
            w.number(6, (*more).into());
            for value in accepted.iter().rev() {
                w.message(5, |w| {
                    w.bytes(3, &value.batch, false);
                    put_ballot(w, 2, value.ballot);
                    w.number(1, value.slot.0);
                });
            }
            w.number(4, first.0);
            w.number(3, from.0);
            w.fixed(2, incarnation.0);
            put_ballot(w, 1, *ballot);
        }
        Message::Nack { ballot, promised } => {
            put_ballot(w, 2, *promised);
            put_ballot(w, 1, *ballot);
        }
        Message::Accept { ballot, slot, batch } => {
            w.bytes(3, batch, false);
            w.number(2, slot.0);
            put_ballot(w, 1, *ballot);
        }
        Message::Accepted { ballot, incarnation, first, count, batches } => {
            put_batches(w, 5, batches);
            w.number(4, (*count).into());
            w.number(3, first.0);
            w.fixed(2, incarnation.0);
            put_ballot(w, 1, *ballot);
        }
        Message::Executed { upto, replies } => {
            for item in replies.iter().rev() {
                w.message(2, |w| {
                    w.number(3, item.first.into());
                    w.bytes(2, &item.replies, false);
                    w.message(1, |w| {
                        w.number(3, item.batch.number.into());
                        w.number(2, item.batch.round);
                        w.number(1, item.batch.origin.0.into());
                    });
                });
            }
            w.number(1, upto.0);
        }
        Message::Learn { from, to, values } => {
            w.number(3, (*values).into());
            w.number(2, to.0);
            w.number(1, from.0);
        }
        Message::Chosen { first, batches } => {
            put_batches(w, 2, batches);
            w.number(1, first.0);
        }
        Message::Trimmed { first } => w.number(1, first.0),
        Message::SnapshotRequest { slot, offset } => {
            w.number(2, *offset);
            w.number(1, slot.0);
        }
        Message::SnapshotChunk { slot, offset, total, digest, bytes } => {
            w.bytes(5, bytes, false);
            w.fixed(4, *digest);
            w.number(3, *total);
            w.number(2, *offset);
            w.number(1, slot.0);
        }
        Message::Trim { upto } => w.number(1, upto.0),
        Message::Heartbeat { leading, follows, fit, applied, life } => {
            w.fixed(5, *life);
            w.number(4, applied.0);
            w.number(3, (*fit).into());
            if let Some(ballot) = follows {
                put_ballot(w, 2, *ballot);
            }
            if let Some(ballot) = leading {
                put_ballot(w, 1, *ballot);
            }
        }
        Message::Register { incarnation } | Message::Registered { incarnation } => w.fixed(1, incarnation.0),
        Message::Refused { incarnation, known } => {
            w.fixed(2, known.0);
            w.fixed(1, incarnation.0);
        }
    }
}

/// The messages of a frame.
pub(crate) fn decode(frame: &Bytes) -> Result<Vec<Message>, WireError> {
    let mut messages = Vec::new();
    let mut fields = Fields::new(frame.clone());
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            if messages.len() as u64 >= u64::from(Limits::MAX_MESSAGES) {
                return Err(WireError::new(0, format!("a frame has more than {} messages", Limits::MAX_MESSAGES)));
            }
            messages.push(message(value.bytes("a message")?)?);
        }
    }
    Ok(messages)
}

fn message(bytes: Bytes) -> Result<Message, WireError> {
    let mut fields = Fields::new(bytes);
    let mut found = None;
    while let Some((field, value)) = fields.next()? {
        // Of several the last one counts: a oneof.
        if let 1..=16 = field {
            found = Some((field, value.bytes("a message's body")?));
        }
    }
    match found {
        Some((kind, bytes)) => decode_body(kind, bytes),
        None => Err(WireError::new(0, "a message of a kind that is not known: bring all nodes to one version")),
    }
}

/// Everything that any message has, collected before it is known to be whole.
#[derive(Default)]
struct Parts {
    ballots: [Option<Ballot>; 2],
    numbers: [u64; 7],
    fixed: [u64; 7],
    lists: Lists,
}

#[derive(Default)]
struct Lists {
    bytes: Vec<Bytes>,
    accepted: Vec<AcceptedValue>,
    replies: Vec<SlotReplies>,
}

fn ballot(value: Value) -> Result<Ballot, WireError> {
    let mut out = Ballot::ZERO;
    let mut fields = Fields::new(value.bytes("a ballot")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => out.round = value.number("a round")?,
            2 => out.node = NodeId(value.small("a node")?),
            _ => {}
        }
    }
    Ok(out)
}

fn accepted(value: Value) -> Result<AcceptedValue, WireError> {
    let mut out = AcceptedValue { slot: Slot::ZERO, ballot: Ballot::ZERO, batch: Bytes::new() };
    let mut fields = Fields::new(value.bytes("an accepted value")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => out.slot = Slot(value.number("a slot")?),
            2 => out.ballot = ballot(value)?,
            3 => out.batch = value.bytes("a batch")?,
            _ => {}
        }
    }
    Ok(out)
}

fn replies(value: Value) -> Result<SlotReplies, WireError> {
    let mut out = SlotReplies { batch: BatchId::default(), first: 0, replies: Bytes::new() };
    let mut fields = Fields::new(value.bytes("replies")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => {
                let mut fields = Fields::new(value.bytes("a batch's name")?);
                while let Some((field, value)) = fields.next()? {
                    match field {
                        1 => out.batch.origin = NodeId(value.small("an origin")?),
                        2 => out.batch.round = value.number("a round")?,
                        3 => out.batch.number = value.small("a batch's number")?,
                        _ => {}
                    }
                }
            }
            2 => out.replies = value.bytes("replies")?,
            3 => out.first = value.small("a reply's place")?,
            _ => {}
        }
    }
    Ok(out)
}

impl Parts {
    /// Sorts the fields of a message of that kind.
    fn read(kind: u32, bytes: Bytes) -> Result<Parts, WireError> {
        let mut parts = Parts::default();
        let mut fields = Fields::new(bytes);
        while let Some((field, value)) = fields.next()? {
            match (kind, field) {
                (1..=5, 1) | (13, 1) => parts.ballots[0] = Some(ballot(value)?),
                (3, 2) | (13, 2) => parts.ballots[1] = Some(ballot(value)?),
                (2, 5) => parts.lists.accepted.push(accepted(value)?),
                (6, 2) => parts.lists.replies.push(replies(value)?),
                (4, 3) | (5, 5) | (8, 2) | (11, 5) => parts.lists.bytes.push(value.bytes("bytes")?),
                (_, 1..=6) => match value {
                    Value::Fixed(number) => parts.fixed[field as usize] = number,
                    other => parts.numbers[field as usize] = other.number("a field")?,
                },
                _ => {}
            }
        }
        Ok(parts)
    }

    fn ballot(&self, at: usize) -> Result<Ballot, WireError> {
        self.ballots[at].ok_or_else(|| WireError::new(0, "a message without its ballot"))
    }

    fn slot(&self, field: usize) -> Slot {
        Slot(self.numbers[field])
    }

    fn incarnation(&self, field: usize) -> Incarnation {
        Incarnation(self.fixed[field])
    }

    /// The only bytes; of several the last one counts.
    fn bytes(&mut self) -> Bytes {
        self.lists.bytes.pop().unwrap_or_default()
    }
}

fn decode_body(kind: u32, bytes: Bytes) -> Result<Message, WireError> {
    let mut p = Parts::read(kind, bytes)?;
    Ok(match kind {
        1 => Message::Prepare { ballot: p.ballot(0)?, from: p.slot(2) },
        2 => Message::Promise {
            ballot: p.ballot(0)?,
            incarnation: p.incarnation(2),
            from: p.slot(3),
            first: p.slot(4),
            more: p.numbers[6] != 0,
            accepted: p.lists.accepted,
        },
        3 => Message::Nack { ballot: p.ballot(0)?, promised: p.ballot(1)? },
        4 => Message::Accept { ballot: p.ballot(0)?, slot: p.slot(2), batch: p.bytes() },
        5 => {
            let count = Value::Number(p.numbers[4]).small("a count of slots")?;
            let batches = p.lists.bytes.len();
            if batches != 0 && batches != count as usize {
                return Err(WireError::new(0, format!("{count} accepted slots come with {batches} batches")));
            }
            Message::Accepted {
                ballot: p.ballot(0)?,
                incarnation: p.incarnation(2),
                first: p.slot(3),
                count,
                batches: p.lists.bytes,
            }
        }
        6 => Message::Executed { upto: p.slot(1), replies: p.lists.replies },
        7 => Message::Learn { from: p.slot(1), to: p.slot(2), values: p.numbers[3] != 0 },
        8 => Message::Chosen { first: p.slot(1), batches: p.lists.bytes },
        9 => Message::Trimmed { first: p.slot(1) },
        10 => Message::SnapshotRequest { slot: p.slot(1), offset: p.numbers[2] },
        11 => Message::SnapshotChunk {
            slot: p.slot(1),
            offset: p.numbers[2],
            total: p.numbers[3],
            digest: p.fixed[4],
            bytes: p.bytes(),
        },
        12 => Message::Trim { upto: p.slot(1) },
        13 => Message::Heartbeat {
            leading: p.ballots[0],
            follows: p.ballots[1],
            fit: p.numbers[3] != 0,
            applied: p.slot(4),
            life: p.fixed[5],
        },
        14 => Message::Register { incarnation: p.incarnation(1) },
        15 => Message::Registered { incarnation: p.incarnation(1) },
        _ => Message::Refused { incarnation: p.incarnation(1), known: p.incarnation(2) },
    })
}
