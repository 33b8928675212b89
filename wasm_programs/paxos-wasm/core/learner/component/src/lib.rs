//! The learner's core as a component. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::RefCell;

use exports::replicode::paxos::learner as w;
use paxos_bindings::wit::core_types::{Execution, Sending};
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_bindings::{Words, fault};
use paxos_learner::{Config, Input, Learner, Output};
use paxos_types::{Bytes, Endpoint, Instant, Message, NodeId, Slot};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "learner-component",
        path: "../../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/core-types@1.0.0": paxos_bindings::wit::core_types,
        },
    });
}
use generated::exports;

thread_local! {
    static CORE: RefCell<Option<Learner>> = const { RefCell::new(None) };
}

struct Component;

impl w::Guest for Component {
    fn configure(c: w::Config, durable_snapshot: Vec<u8>) -> Result<(), Fault> {
        let mut config = Config::new(NodeId(c.node), c.nodes.into_iter().map(NodeId).collect());
        config.snapshot_every = c.snapshot_every;
        config.heartbeat = c.heartbeat;
        config.retransmit = c.retransmit;
        let snapshot = (c.snapshot > 0).then(|| (Slot(c.snapshot), Bytes::from(durable_snapshot)));
        CORE.set(Some(Learner::new(config, snapshot)));
        Ok(())
    }

    fn step(now: u64, inputs: w::Inputs) -> Result<w::Outputs, Fault> {
        CORE.with_borrow_mut(|core| match core {
            Some(core) => Ok(step(core, Instant(now), inputs)),
            None => Err(fault(FaultKind::Contract, "a learner has to be configured first")),
        })
    }

    fn stand() -> w::Standing {
        CORE.with_borrow(|core| match core {
            Some(core) => w::Standing { executed: core.next().prev().0, snapshot: core.snapshot_slot().0 },
            None => w::Standing { executed: 0, snapshot: 0 },
        })
    }
}

fn step(core: &mut Learner, now: Instant, inputs: w::Inputs) -> w::Outputs {
    let mut out = Vec::new();
    if let Some(applied) = inputs.applied {
        let input = Input::Applied { upto: Slot(applied.upto), replies: Words::from_word(applied.replies) };
        core.step(now, input, &mut out);
    }
    if let Some(part) = inputs.part {
        let (slot, total, bytes) = (Slot(part.slot), part.total, part.bytes.into());
        core.step(now, Input::SnapshotPart { slot, total, bytes }, &mut out);
    }
    if let Some(slot) = inputs.saved {
        core.step(now, Input::SnapshotSaved { slot: Slot(slot) }, &mut out);
    }
    for mail in inputs.mail {
        let from = Endpoint::from_word(mail.sender);
        for message in mail.messages {
            core.step(now, Input::Message { from, message: Message::from_word(message) }, &mut out);
        }
    }
    core.step(now, Input::Tick, &mut out);
    let mut outputs = w::Outputs { actions: Vec::new(), send: Vec::new(), deadline: core.deadline().word() };
    for output in out {
        match output {
            Output::Execute { slot, batch } => {
                let execution = Execution { slot: slot.0, batch: batch.word() };
                match outputs.actions.last_mut() {
                    Some(w::Action::Execute(slots)) => slots.push(execution),
                    _ => outputs.actions.push(w::Action::Execute(vec![execution])),
                }
            }
            Output::TakeSnapshot { slot } => outputs.actions.push(w::Action::TakeSnapshot(slot.0)),
            Output::Install { slot, bytes } => {
                outputs.actions.push(w::Action::Install(w::Snapshot { slot: slot.0, bytes: bytes.word() }));
            }
            Output::Send { to, message } => outputs.send.push(Sending { to: to.word(), message: message.word() }),
        }
    }
    outputs
}

generated::export!(Component with_types_in generated);
