//! The acceptor's core as a component. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::RefCell;

use exports::replicode::paxos::acceptor as w;
use paxos_acceptor::{Acceptor, Config, Input, Output};
use paxos_bindings::wit::core_types::Sending;
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_bindings::{Words, fault};
use paxos_types::{Bytes, Endpoint, Incarnation, Instant, Message, NodeId};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "acceptor-component",
        path: "../../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/core-types@1.0.0": paxos_bindings::wit::core_types,
        },
    });
}
use generated::exports;

/// Before the first step records are collected, then there is a core.
enum State {
    Recovering(Config, Vec<(u64, Bytes)>),
    Running { core: Acceptor, durable: u64 },
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

fn contract(text: &str) -> Fault {
    fault(FaultKind::Contract, text)
}

struct Component;

impl w::Guest for Component {
    fn configure(c: w::Config) -> Result<(), Fault> {
        let nodes = c.nodes.into_iter().map(NodeId).collect();
        let mut config = Config::new(NodeId(c.node), nodes, Incarnation(c.incarnation));
        config.heartbeat = c.heartbeat;
        config.register_every = c.register_every;
        config.log_slots = usize::try_from(c.log_slots).unwrap_or(usize::MAX);
        config.log_bytes = usize::try_from(c.log_bytes).unwrap_or(usize::MAX);
        STATE.set(Some(State::Recovering(config, Vec::new())));
        Ok(())
    }

    fn recover(first: u64, records: Vec<Vec<u8>>) -> Result<(), Fault> {
        STATE.with_borrow_mut(|state| match state {
            Some(State::Recovering(_, all)) => {
                all.extend(records.into_iter().zip(first..).map(|(record, position)| (position, record.into())));
                Ok(())
            }
            _ => Err(contract("an acceptor recovers between configure and its first step")),
        })
    }

    fn step(now: u64, inputs: w::Inputs) -> Result<w::Outputs, Fault> {
        STATE.with_borrow_mut(|state| {
            if let Some(State::Recovering(..)) = state
                && let Some(State::Recovering(config, records)) = state.take()
            {
                let core = Acceptor::open(config, records);
                let core = core.map_err(|e| fault(FaultKind::Storage, e.to_string()))?;
                *state = Some(State::Running { core, durable: 0 });
            }
            match state {
                Some(State::Running { core, durable }) => Ok(step(core, durable, Instant(now), inputs)),
                _ => Err(contract("an acceptor has to be configured first")),
            }
        })
    }

    fn stand() -> w::Standing {
        STATE.with_borrow(|state| match state {
            Some(State::Running { core, .. }) => w::Standing {
                promised: core.promised().word(),
                first: core.first().0,
                end: core.end().0,
                registered: core.registered(),
            },
            _ => w::Standing { promised: paxos_types::Ballot::ZERO.word(), first: 0, end: 0, registered: false },
        })
    }
}

fn step(core: &mut Acceptor, durable: &mut u64, now: Instant, inputs: w::Inputs) -> w::Outputs {
    let mut out = Vec::new();
    for mail in inputs.mail {
        let from = Endpoint::from_word(mail.sender);
        for message in mail.messages {
            core.step(now, Input::Message { from, message: Message::from_word(message) }, &mut out);
        }
    }
    if inputs.durable > *durable {
        *durable = inputs.durable;
        core.step(now, Input::Durable { position: inputs.durable }, &mut out);
    }
    core.step(now, Input::Tick, &mut out);
    let mut outputs = w::Outputs {
        stop: None,
        append: Vec::new(),
        send: Vec::new(),
        truncate: 0,
        full: core.full(),
        deadline: core.deadline().word(),
    };
    for output in out {
        match output {
            Output::Append(record) => outputs.append.push(record.word()),
            Output::Send { to, message } => outputs.send.push(Sending { to: to.word(), message: message.word() }),
            Output::Truncate { before } => outputs.truncate = outputs.truncate.max(before),
            Output::Stop(why) => outputs.stop = Some(why),
        }
    }
    outputs
}

generated::export!(Component with_types_in generated);
