//! The hand-written protobuf against an implementation of others, driven by `shared/paxos.proto` itself.

use paxos_types::{AcceptedValue, Ballot, BatchId, Bytes, Incarnation, Message, NodeId, Serializer, Slot, SlotReplies};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

fn frame_type() -> MessageDescriptor {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let files = protox::compile(["paxos.proto"], [shared]).expect("shared/paxos.proto compiles");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("a set of descriptors");
    pool.get_message_by_name("replicode.paxos.v1.Frame").expect("the frame")
}

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}
fn ballot() -> impl Strategy<Value = Ballot> {
    (any::<u64>(), any::<u16>()).prop_map(|(round, node)| Ballot::new(round, NodeId(node)))
}
fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![Just(Slot(0)), any::<u64>().prop_map(Slot)]
}
fn incarnation() -> impl Strategy<Value = Incarnation> {
    any::<u64>().prop_map(Incarnation)
}
fn batches() -> impl Strategy<Value = Vec<Bytes>> {
    proptest::collection::vec(bytes(), 0..4)
}

fn message() -> impl Strategy<Value = Message> {
    let value = (slot(), ballot(), bytes()).prop_map(|(slot, ballot, batch)| AcceptedValue { slot, ballot, batch });
    let reply = (any::<u16>(), any::<u64>(), any::<u32>(), bytes()).prop_map(|(origin, round, number, replies)| {
        SlotReplies { batch: BatchId { origin: NodeId(origin), round, number }, first: number >> 1, replies }
    });
    prop_oneof![
        (ballot(), slot()).prop_map(|(ballot, from)| Message::Prepare { ballot, from }),
        (ballot(), incarnation(), slot(), slot(), proptest::collection::vec(value, 0..4), any::<bool>()).prop_map(
            |(ballot, incarnation, from, first, accepted, more)| Message::Promise {
                ballot,
                incarnation,
                from,
                first,
                accepted,
                more
            }
        ),
        (ballot(), ballot()).prop_map(|(ballot, promised)| Message::Nack { ballot, promised }),
        (ballot(), slot(), bytes()).prop_map(|(ballot, slot, batch)| Message::Accept { ballot, slot, batch }),
        (ballot(), incarnation(), slot(), batches(), any::<bool>()).prop_map(
            |(ballot, incarnation, first, batches, bare)| {
                let count = batches.len() as u32;
                let batches = if bare { Vec::new() } else { batches };
                Message::Accepted { ballot, incarnation, first, count, batches }
            }
        ),
        (slot(), proptest::collection::vec(reply, 0..4))
            .prop_map(|(upto, replies)| Message::Executed { upto, replies }),
        (slot(), slot(), any::<bool>()).prop_map(|(from, to, values)| Message::Learn { from, to, values }),
        (slot(), batches()).prop_map(|(first, batches)| Message::Chosen { first, batches }),
        slot().prop_map(|first| Message::Trimmed { first }),
        (slot(), any::<u64>()).prop_map(|(slot, offset)| Message::SnapshotRequest { slot, offset }),
        (slot(), any::<u64>(), any::<u64>(), any::<u64>(), bytes()).prop_map(|(slot, offset, total, digest, bytes)| {
            Message::SnapshotChunk { slot, offset, total, digest, bytes }
        }),
        slot().prop_map(|upto| Message::Trim { upto }),
        (proptest::option::of(ballot()), proptest::option::of(ballot()), any::<bool>(), slot(), any::<u64>()).prop_map(
            |(leading, follows, fit, applied, life)| Message::Heartbeat { leading, follows, fit, applied, life }
        ),
        incarnation().prop_map(|incarnation| Message::Register { incarnation }),
        incarnation().prop_map(|incarnation| Message::Registered { incarnation }),
        (incarnation(), incarnation()).prop_map(|(incarnation, known)| Message::Refused { incarnation, known }),
    ]
}

fn encode(messages: &[Message]) -> Bytes {
    Bytes::from(paxos_forms::encode(Serializer::Protobuf, messages))
}

proptest! {
    #[test]
    fn both_forms_come_back(messages in proptest::collection::vec(message(), 0..6)) {
        for form in [Serializer::Compact, Serializer::Protobuf] {
            let frame = Bytes::from(paxos_forms::encode(form, &messages));
            prop_assert_eq!(paxos_forms::decode(form, &frame), Ok(messages.clone()));
        }
    }

    /// The other implementation understands every field (none is unknown to it) and writes the same bytes.
    #[test]
    fn another_implementation_writes_the_same_bytes(messages in proptest::collection::vec(message(), 0..6)) {
        let frame = encode(&messages);
        let theirs = DynamicMessage::decode(frame_type(), frame.clone()).expect("what we write is protobuf");
        prop_assert_eq!(theirs.unknown_fields().count(), 0);
        let again = Bytes::from(theirs.encode_to_vec());
        // `DynamicMessage` writes fields in order of their numbers, and so do we.
        prop_assert_eq!(&again, &frame);
        prop_assert_eq!(paxos_forms::decode(Serializer::Protobuf, &again), Ok(messages));
    }

    #[test]
    fn garbage_is_an_error_or_messages_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = paxos_forms::decode(Serializer::Protobuf, &Bytes::from(bytes));
    }

    #[test]
    fn a_flipped_byte_never_panics(messages in proptest::collection::vec(message(), 1..4), at in any::<usize>(), bit in 0u8..8) {
        let mut frame = encode(&messages).to_vec();
        let at = at % frame.len();
        frame[at] ^= 1 << bit;
        let _ = paxos_forms::decode(Serializer::Protobuf, &Bytes::from(frame));
    }
}

#[test]
fn a_message_of_the_future_is_named() {
    // Field 99 of `Message`, empty, in field 1 of `Frame`.
    let error = paxos_forms::decode(Serializer::Protobuf, &Bytes::from_static(&[0x0a, 3, 0x9a, 0x06, 0]));
    assert!(error.as_ref().is_err_and(|e| e.contains("not known")), "{error:?}");
}
