//! The two forms that messages have on the wire, chosen by name: `compact` (`paxos_types::codec`) and `protobuf`
//! (`shared/paxos.proto`, written and read here by hand). Used by the serializer component and by the host's serializer alike.
//!
//! Decoding cuts batches out of the frame that is given; nothing is copied that is longer than a number. No I/O.
#![forbid(unsafe_code)]

mod protobuf;
mod reader;
mod writer;

use paxos_types::{Bytes, Message, Serializer, codec};

/// The form of that name, or a sentence about the name.
pub fn by_name(name: &str) -> Result<Serializer, String> {
    Serializer::from_name(name)
        .ok_or_else(|| format!("there is no serializer '{name}': choose 'compact' or 'protobuf' in config.yaml"))
}

/// The frame of `messages`.
pub fn encode(form: Serializer, messages: &[Message]) -> Vec<u8> {
    match form {
        Serializer::Compact => {
            let mut out = Vec::with_capacity(4 + messages.iter().map(codec::size_of).sum::<usize>());
            codec::encode_into(messages, &mut out);
            out
        }
        Serializer::Protobuf => protobuf::encode(messages),
    }
}

/// The messages of a frame, or why it holds none.
pub fn decode(form: Serializer, frame: &Bytes) -> Result<Vec<Message>, String> {
    match form {
        Serializer::Compact => codec::decode(frame).map_err(|e| e.to_string()),
        Serializer::Protobuf => protobuf::decode(frame).map_err(|e| e.to_string()),
    }
}
