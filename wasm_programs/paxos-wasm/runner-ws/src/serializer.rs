//! The host's `serializer`: the same two forms as the component's, natively.

use crate::bindings::messages::Message as Word;
use crate::bindings::types::{Fault, FaultKind};
use crate::bindings::{messages, serializer};
use crate::state::State;
use crate::words::Words;
use paxos_types::{Bytes, Message, Serializer};

impl messages::Host for State {}

impl serializer::Host for State {
    fn configure(&mut self, name: String) -> wasmtime::Result<Result<(), Fault>> {
        Ok(paxos_forms::by_name(&name)
            .map(|form| self.form = Some(form))
            .map_err(|text| Fault { kind: FaultKind::Configuration, text }))
    }

    fn encode(&mut self, frames: Vec<Vec<Word>>) -> wasmtime::Result<Vec<Vec<u8>>> {
        // Before `configure` there is a form too: what is to be encoded cannot be refused.
        let form = self.form.unwrap_or(Serializer::Compact);
        Ok(frames.into_iter().map(|messages| paxos_forms::encode(form, &Vec::<Message>::from_word(messages))).collect())
    }

    fn decode(&mut self, frames: Vec<Vec<u8>>) -> wasmtime::Result<Vec<Result<Vec<Word>, String>>> {
        let Some(form) = self.form else {
            return Ok(frames.iter().map(|_| Err("the serializer has not been configured".to_owned())).collect());
        };
        let decode = |frame| paxos_forms::decode(form, &Bytes::from(frame)).map(Words::word);
        Ok(frames.into_iter().map(decode).collect())
    }
}
