//! The compact form of messages: a 32-bit count, then each message as a tag and its fields, in the order of [`Message`]'s declaration.
//!
//! Integers are fixed and little-endian; a ballot is `round u64 | node u16`; a flag is one byte, 0 or 1; an optional ballot is a flag
//! and a ballot (zero where there is none); bytes are `len u32 | bytes`; a list is `count u32 | items`.

use crate::batch::BatchId;
use crate::ids::{Ballot, Incarnation, NodeId, Slot};
use crate::limits::Limits;
use crate::message::{AcceptedValue, Message, SlotReplies};
use crate::wire::{Put, Reader, WireError, shared_block};
use bytes::Bytes;

/// The frame that carries `messages`.
pub fn encode<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    encode_into(messages, &mut out);
    out
}

/// Appends the frame that carries `messages`.
pub fn encode_into<'a>(messages: impl IntoIterator<Item = &'a Message>, out: &mut Vec<u8>) {
    let start = out.len();
    out.put_u32(0);
    let mut count = 0u32;
    for message in messages {
        encode_one(message, out);
        count += 1;
    }
    out[start..start + 4].copy_from_slice(&count.to_le_bytes());
}

/// Upper estimate of the bytes of an encoded message, for those who fill frames up to a size.
pub fn size_of(message: &Message) -> usize {
    64 + match message {
        Message::Promise { accepted, .. } => accepted.iter().map(|a| 22 + a.batch.len()).sum(),
        Message::Accept { batch, .. } => batch.len(),
        Message::Accepted { batches, .. } | Message::Chosen { batches, .. } => {
            batches.iter().map(|b| 4 + b.len()).sum()
        }
        Message::Executed { replies, .. } => replies.iter().map(|r| 22 + r.replies.len()).sum(),
        Message::SnapshotChunk { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

fn put_ballot(out: &mut Vec<u8>, ballot: Ballot) {
    out.put_u64(ballot.round);
    out.put_u16(ballot.node.0);
}

fn put_optional(out: &mut Vec<u8>, ballot: Option<Ballot>) {
    out.put_u8(u8::from(ballot.is_some()));
    put_ballot(out, ballot.unwrap_or(Ballot::ZERO));
}

fn put_batches(out: &mut Vec<u8>, batches: &[Bytes]) {
    out.put_u32(batches.len() as u32);
    for batch in batches {
        out.put_block(batch);
    }
}

fn encode_one(message: &Message, out: &mut Vec<u8>) {
    match message {
        Message::Prepare { ballot, from } => {
            out.put_u8(1);
            put_ballot(out, *ballot);
            out.put_u64(from.0);
        }
        Message::Promise { ballot, incarnation, from, first, accepted, more } => {
            out.put_u8(2);
            put_ballot(out, *ballot);
            out.put_u64(incarnation.0);
            out.put_u64(from.0);
            out.put_u64(first.0);
            out.put_u32(accepted.len() as u32);
            for value in accepted {
                out.put_u64(value.slot.0);
                put_ballot(out, value.ballot);
                out.put_block(&value.batch);
            }
            out.put_u8(u8::from(*more));
        }
        Message::Nack { ballot, promised } => {
            out.put_u8(3);
            put_ballot(out, *ballot);
            put_ballot(out, *promised);
        }
        Message::Accept { ballot, slot, batch } => {
            out.put_u8(4);
            put_ballot(out, *ballot);
            out.put_u64(slot.0);
            out.put_block(batch);
        }
        Message::Accepted { ballot, incarnation, first, count, batches } => {
            out.put_u8(5);
            put_ballot(out, *ballot);
            out.put_u64(incarnation.0);
            out.put_u64(first.0);
            out.put_u32(*count);
            put_batches(out, batches);
        }
        Message::Executed { upto, replies } => {
            out.put_u8(6);
            out.put_u64(upto.0);
            out.put_u32(replies.len() as u32);
            for r in replies {
                out.put_u16(r.batch.origin.0);
                out.put_u64(r.batch.round);
                out.put_u32(r.batch.number);
                out.put_u32(r.first);
                out.put_block(&r.replies);
            }
        }
        Message::Learn { from, to, values } => {
            out.put_u8(7);
            out.put_u64(from.0);
            out.put_u64(to.0);
            out.put_u8(u8::from(*values));
        }
        Message::Chosen { first, batches } => {
            out.put_u8(8);
            out.put_u64(first.0);
            put_batches(out, batches);
        }
        Message::Trimmed { first } => {
            out.put_u8(9);
            out.put_u64(first.0);
        }
        Message::SnapshotRequest { slot, offset } => {
            out.put_u8(10);
            out.put_u64(slot.0);
            out.put_u64(*offset);
        }
        Message::SnapshotChunk { slot, offset, total, digest, bytes } => {
            out.put_u8(11);
            out.put_u64(slot.0);
            out.put_u64(*offset);
            out.put_u64(*total);
            out.put_u64(*digest);
            out.put_block(bytes);
        }
        Message::Trim { upto } => {
            out.put_u8(12);
            out.put_u64(upto.0);
        }
        Message::Heartbeat { leading, follows, fit, applied, life } => {
            out.put_u8(13);
            put_optional(out, *leading);
            put_optional(out, *follows);
            out.put_u8(u8::from(*fit));
            out.put_u64(applied.0);
            out.put_u64(*life);
        }
        Message::Register { incarnation } => {
            out.put_u8(14);
            out.put_u64(incarnation.0);
        }
        Message::Registered { incarnation } => {
            out.put_u8(15);
            out.put_u64(incarnation.0);
        }
        Message::Refused { incarnation, known } => {
            out.put_u8(16);
            out.put_u64(incarnation.0);
            out.put_u64(known.0);
        }
    }
}

/// The messages of a frame. Batches in them are parts of `frame`, not copies.
pub fn decode(frame: &Bytes) -> Result<Vec<Message>, WireError> {
    let mut r = Reader::new(frame);
    let count = r.count(1, "a frame's number of messages")?;
    if count as u64 > u64::from(Limits::MAX_MESSAGES) {
        return Err(WireError::new(
            0,
            format!("a frame has {count} messages, and {} is the most", Limits::MAX_MESSAGES),
        ));
    }
    let mut messages = Vec::with_capacity(count);
    for _ in 0..count {
        messages.push(decode_one(frame, &mut r)?);
    }
    r.end("a frame of messages")?;
    Ok(messages)
}

fn ballot(r: &mut Reader<'_>, what: &'static str) -> Result<Ballot, WireError> {
    Ok(Ballot { round: r.u64(what)?, node: NodeId(r.u16(what)?) })
}

fn flag(r: &mut Reader<'_>, what: &'static str) -> Result<bool, WireError> {
    match r.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(WireError::new(r.at() - 1, format!("{what} is {other} and must be 0 or 1"))),
    }
}

fn optional(r: &mut Reader<'_>, what: &'static str) -> Result<Option<Ballot>, WireError> {
    let there = flag(r, what)?;
    let ballot = ballot(r, what)?;
    Ok(there.then_some(ballot))
}

fn batches(frame: &Bytes, r: &mut Reader<'_>) -> Result<Vec<Bytes>, WireError> {
    let count = r.count(4, "a number of batches")?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(shared_block(frame, r, "a batch")?);
    }
    Ok(list)
}

fn decode_one(frame: &Bytes, r: &mut Reader<'_>) -> Result<Message, WireError> {
    let at = r.at();
    Ok(match r.u8("a message's tag")? {
        1 => Message::Prepare { ballot: ballot(r, "a prepare's ballot")?, from: Slot(r.u64("a prepare's slot")?) },
        2 => {
            let ballot_ = ballot(r, "a promise's ballot")?;
            let incarnation = Incarnation(r.u64("a promise's incarnation")?);
            let from = Slot(r.u64("a promise's slot")?);
            let first = Slot(r.u64("a promise's first slot")?);
            let count = r.count(22, "a promise's number of values")?;
            let mut accepted = Vec::with_capacity(count);
            for _ in 0..count {
                accepted.push(AcceptedValue {
                    slot: Slot(r.u64("an accepted value's slot")?),
                    ballot: ballot(r, "an accepted value's ballot")?,
                    batch: shared_block(frame, r, "an accepted value")?,
                });
            }
            let more = flag(r, "a promise's flag")?;
            Message::Promise { ballot: ballot_, incarnation, from, first, accepted, more }
        }
        3 => Message::Nack { ballot: ballot(r, "a nack's ballot")?, promised: ballot(r, "a nack's promise")? },
        4 => Message::Accept {
            ballot: ballot(r, "an accept's ballot")?,
            slot: Slot(r.u64("an accept's slot")?),
            batch: shared_block(frame, r, "an accept's batch")?,
        },
        5 => {
            let ballot_ = ballot(r, "an accepted's ballot")?;
            let incarnation = Incarnation(r.u64("an accepted's incarnation")?);
            let first = Slot(r.u64("an accepted's slot")?);
            let count = r.u32("an accepted's count")?;
            let batches = batches(frame, r)?;
            if !batches.is_empty() && batches.len() != count as usize {
                return Err(WireError::new(at, format!("{count} slots were accepted with {} batches", batches.len())));
            }
            Message::Accepted { ballot: ballot_, incarnation, first, count, batches }
        }
        6 => {
            let upto = Slot(r.u64("an executed's slot")?);
            let count = r.count(22, "an executed's number of replies")?;
            let mut replies = Vec::with_capacity(count);
            for _ in 0..count {
                let batch = BatchId {
                    origin: NodeId(r.u16("a reply's origin")?),
                    round: r.u64("a reply's round")?,
                    number: r.u32("a reply's number")?,
                };
                let first = r.u32("a reply's place")?;
                replies.push(SlotReplies { batch, first, replies: shared_block(frame, r, "a batch's replies")? });
            }
            Message::Executed { upto, replies }
        }
        7 => Message::Learn {
            from: Slot(r.u64("a learn's first slot")?),
            to: Slot(r.u64("a learn's last slot")?),
            values: flag(r, "a learn's flag")?,
        },
        8 => Message::Chosen { first: Slot(r.u64("a chosen's slot")?), batches: batches(frame, r)? },
        9 => Message::Trimmed { first: Slot(r.u64("a trimmed's slot")?) },
        10 => Message::SnapshotRequest {
            slot: Slot(r.u64("a snapshot request's slot")?),
            offset: r.u64("a snapshot request's offset")?,
        },
        11 => Message::SnapshotChunk {
            slot: Slot(r.u64("a snapshot's slot")?),
            offset: r.u64("a snapshot's offset")?,
            total: r.u64("a snapshot's length")?,
            digest: r.u64("a snapshot's digest")?,
            bytes: shared_block(frame, r, "a snapshot's bytes")?,
        },
        12 => Message::Trim { upto: Slot(r.u64("a trim's slot")?) },
        13 => Message::Heartbeat {
            leading: optional(r, "a heartbeat's leadership")?,
            follows: optional(r, "a heartbeat's leader")?,
            fit: flag(r, "a heartbeat's fitness")?,
            applied: Slot(r.u64("a heartbeat's slot")?),
            life: r.u64("a heartbeat's life")?,
        },
        14 => Message::Register { incarnation: Incarnation(r.u64("a register's incarnation")?) },
        15 => Message::Registered { incarnation: Incarnation(r.u64("a registered's incarnation")?) },
        16 => Message::Refused {
            incarnation: Incarnation(r.u64("a refusal's incarnation")?),
            known: Incarnation(r.u64("a refusal's known incarnation")?),
        },
        other => return Err(WireError::new(at, format!("no message has the tag {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    }

    fn any_ballot() -> impl Strategy<Value = Ballot> {
        (any::<u64>(), any::<u16>()).prop_map(|(round, node)| Ballot::new(round, NodeId(node)))
    }

    fn slot() -> impl Strategy<Value = Slot> {
        any::<u64>().prop_map(Slot)
    }

    fn inc() -> impl Strategy<Value = Incarnation> {
        any::<u64>().prop_map(Incarnation)
    }

    /// Every kind of message, with anything in it.
    pub fn any_message() -> impl Strategy<Value = Message> {
        let value =
            (slot(), any_ballot(), bytes()).prop_map(|(slot, ballot, batch)| AcceptedValue { slot, ballot, batch });
        let reply = (any::<u16>(), any::<u64>(), any::<u32>(), bytes()).prop_map(|(o, round, number, replies)| {
            SlotReplies { batch: BatchId { origin: NodeId(o), round, number }, first: number / 2, replies }
        });
        prop_oneof![
            (any_ballot(), slot()).prop_map(|(ballot, from)| Message::Prepare { ballot, from }),
            (any_ballot(), inc(), slot(), slot(), proptest::collection::vec(value, 0..4), any::<bool>()).prop_map(
                |(ballot, incarnation, from, first, accepted, more)| Message::Promise {
                    ballot,
                    incarnation,
                    from,
                    first,
                    accepted,
                    more
                }
            ),
            (any_ballot(), any_ballot()).prop_map(|(ballot, promised)| Message::Nack { ballot, promised }),
            (any_ballot(), slot(), bytes()).prop_map(|(ballot, slot, batch)| Message::Accept { ballot, slot, batch }),
            (any_ballot(), inc(), slot(), proptest::collection::vec(bytes(), 0..4), any::<u32>()).prop_map(
                |(ballot, incarnation, first, batches, n)| Message::Accepted {
                    ballot,
                    incarnation,
                    first,
                    count: if batches.is_empty() { n } else { batches.len() as u32 },
                    batches
                }
            ),
            (slot(), proptest::collection::vec(reply, 0..4))
                .prop_map(|(upto, replies)| Message::Executed { upto, replies }),
            (slot(), slot(), any::<bool>()).prop_map(|(from, to, values)| Message::Learn { from, to, values }),
            (slot(), proptest::collection::vec(bytes(), 0..4))
                .prop_map(|(first, batches)| Message::Chosen { first, batches }),
            slot().prop_map(|first| Message::Trimmed { first }),
            (slot(), any::<u64>()).prop_map(|(slot, offset)| Message::SnapshotRequest { slot, offset }),
            (slot(), any::<u64>(), any::<u64>(), any::<u64>(), bytes()).prop_map(
                |(slot, offset, total, digest, bytes)| Message::SnapshotChunk { slot, offset, total, digest, bytes }
            ),
            slot().prop_map(|upto| Message::Trim { upto }),
            (
                proptest::option::of(any_ballot()),
                proptest::option::of(any_ballot()),
                any::<bool>(),
                slot(),
                any::<u64>()
            )
                .prop_map(|(leading, follows, fit, applied, life)| Message::Heartbeat {
                    leading,
                    follows,
                    fit,
                    applied,
                    life
                }),
            inc().prop_map(|incarnation| Message::Register { incarnation }),
            inc().prop_map(|incarnation| Message::Registered { incarnation }),
            (inc(), inc()).prop_map(|(incarnation, known)| Message::Refused { incarnation, known }),
        ]
    }

    proptest! {
        #[test]
        fn messages_come_back(messages in proptest::collection::vec(any_message(), 0..6)) {
            let frame = Bytes::from(encode(&messages));
            prop_assert!(frame.len() <= 4 + messages.iter().map(size_of).sum::<usize>());
            prop_assert_eq!(decode(&frame), Ok(messages));
        }

        #[test]
        fn a_cut_frame_is_an_error(messages in proptest::collection::vec(any_message(), 1..4), cut in 1usize..30) {
            let frame = encode(&messages);
            let cut = cut.min(frame.len());
            prop_assert!(decode(&Bytes::copy_from_slice(&frame[..frame.len() - cut])).is_err());
        }

        #[test]
        fn garbage_is_an_error_or_messages_and_never_a_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&Bytes::from(raw));
        }

        #[test]
        fn a_flipped_bit_never_panics(
            messages in proptest::collection::vec(any_message(), 1..4),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut frame = encode(&messages);
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let _ = decode(&Bytes::from(frame));
        }
    }

    #[test]
    fn a_count_that_cannot_be_true_reserves_nothing() {
        let frame = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert!(decode(&frame).is_err_and(|e| e.what.contains("says 4294967295")));
    }

    #[test]
    fn batches_are_parts_of_their_frame() {
        let batch = Bytes::from_static(b"some commands");
        let message = Message::Accept { ballot: Ballot::ZERO, slot: Slot(1), batch };
        let frame = Bytes::from(encode([&message]));
        let Ok(messages) = decode(&frame) else { panic!("does not decode") };
        let [Message::Accept { batch, .. }] = &messages[..] else { panic!("another message") };
        assert!(frame.as_ptr_range().contains(&batch.as_ptr()));
    }
}
