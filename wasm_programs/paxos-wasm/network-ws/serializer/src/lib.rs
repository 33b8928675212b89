//! The serializer as a component: [`paxos_forms`] behind its interface. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::Cell;

use exports::replicode::paxos::serializer::Guest;
use paxos_bindings::wit::messages::Message as MessageWord;
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_bindings::{Words, fault};
use paxos_types::{Bytes, Message, Serializer};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "serializer-component",
        path: "../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
        },
    });
}
use generated::exports;

thread_local! {
    static FORM: Cell<Option<Serializer>> = const { Cell::new(None) };
}

struct Component;

impl Guest for Component {
    fn configure(name: String) -> Result<(), Fault> {
        let form = paxos_forms::by_name(&name).map_err(|text| fault(FaultKind::Configuration, text))?;
        FORM.set(Some(form));
        Ok(())
    }

    fn encode(frames: Vec<Vec<MessageWord>>) -> Vec<Vec<u8>> {
        // Before `configure` there is a form too: what is to be encoded cannot be refused.
        let form = FORM.get().unwrap_or(Serializer::Compact);
        frames.into_iter().map(|messages| paxos_forms::encode(form, &Vec::<Message>::from_word(messages))).collect()
    }

    fn decode(frames: Vec<Vec<u8>>) -> Vec<Result<Vec<MessageWord>, String>> {
        let Some(form) = FORM.get() else {
            return frames.iter().map(|_| Err("the serializer has not been configured".to_string())).collect();
        };
        frames.into_iter().map(|frame| paxos_forms::decode(form, &Bytes::from(frame)).map(Words::word)).collect()
    }
}

generated::export!(Component with_types_in generated);
