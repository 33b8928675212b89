//! The proposer's core as a component. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::RefCell;

use exports::replicode::paxos::proposer as w;
use paxos_bindings::wit::core_types::Sending;
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_bindings::{Words, fault};
use paxos_proposer::{Config, Input, Output, Proposer};
use paxos_types::{Bytes, Endpoint, Instant, Message, NodeId};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "proposer-component",
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
    Running { core: Box<Proposer>, durable: u64 },
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
        let mut config = Config::new(NodeId(c.node), c.nodes.into_iter().map(NodeId).collect());
        config.max_key = c.key_bytes as usize;
        config.max_value = c.value_bytes as usize;
        config.max_commands = c.max_commands;
        config.max_bytes = c.max_bytes as usize;
        config.max_delay = c.max_delay;
        config.window = c.window as usize;
        config.pending_bytes = usize::try_from(c.pending_bytes).unwrap_or(usize::MAX);
        config.heartbeat = c.heartbeat;
        config.silent = c.silent;
        config.suspect = c.suspect;
        config.life = c.life;
        config.phase = c.phase;
        config.retransmit = c.retransmit;
        STATE.set(Some(State::Recovering(config, Vec::new())));
        Ok(())
    }

    fn recover(first: u64, records: Vec<Vec<u8>>) -> Result<(), Fault> {
        STATE.with_borrow_mut(|state| match state {
            Some(State::Recovering(_, all)) => {
                all.extend(records.into_iter().zip(first..).map(|(record, position)| (position, record.into())));
                Ok(())
            }
            _ => Err(contract("a proposer recovers between configure and its first step")),
        })
    }

    fn step(now: u64, inputs: w::Inputs) -> Result<w::Outputs, Fault> {
        STATE.with_borrow_mut(|state| {
            if let Some(State::Recovering(..)) = state
                && let Some(State::Recovering(config, records)) = state.take()
            {
                let core = Proposer::open(config, records);
                let core = core.map_err(|e| fault(FaultKind::Storage, e.to_string()))?;
                *state = Some(State::Running { core: Box::new(core), durable: 0 });
            }
            match state {
                Some(State::Running { core, durable }) => Ok(step(core, durable, Instant(now), inputs)),
                _ => Err(contract("a proposer has to be configured first")),
            }
        })
    }

    fn stand() -> w::Standing {
        STATE.with_borrow(|state| match state {
            Some(State::Running { core, .. }) => w::Standing {
                leading: core.leading().word(),
                leader: core.leader().word(),
                executed: core.executed().0,
                open: core.open_slots() as u32,
                queued: core.queued(),
            },
            _ => w::Standing { leading: None, leader: None, executed: 0, open: 0, queued: 0 },
        })
    }
}

fn step(core: &mut Proposer, durable: &mut u64, now: Instant, inputs: w::Inputs) -> w::Outputs {
    let mut out = Vec::new();
    for mail in inputs.mail {
        let from = Endpoint::from_word(mail.sender);
        for message in mail.messages {
            core.step(now, Input::Message { from, message: Message::from_word(message) }, &mut out);
        }
    }
    if let Some(news) = inputs.leadership {
        let input = Input::Leader {
            leader: Words::from_word(news.leader),
            follows: Words::from_word(news.follows),
            majority: news.majority,
        };
        core.step(now, input, &mut out);
    }
    if inputs.durable > *durable {
        *durable = inputs.durable;
        core.step(now, Input::Durable { position: inputs.durable }, &mut out);
    }
    for submission in inputs.submissions {
        let input = Input::Submit { connection: submission.connection, commands: submission.commands.into() };
        core.step(now, input, &mut out);
    }
    core.step(now, if inputs.all_read { Input::Flush } else { Input::Tick }, &mut out);
    let mut outputs = w::Outputs {
        append: Vec::new(),
        truncate: 0,
        send: Vec::new(),
        answers: Vec::new(),
        claim: None,
        accepting: core.accepting(),
        deadline: core.deadline().word(),
    };
    for output in out {
        match output {
            Output::Append(record) => outputs.append.push(record.word()),
            Output::Truncate { before } => outputs.truncate = outputs.truncate.max(before),
            Output::Send { to, message } => outputs.send.push(Sending { to: to.word(), message: message.word() }),
            Output::Reply { connection, frame } => {
                outputs.answers.push(w::Answer { connection, frame: frame.word() });
            }
            Output::Own { leading, fit } => outputs.claim = Some(w::OwnClaim { leading: leading.word(), fit }),
        }
    }
    outputs
}

generated::export!(Component with_types_in generated);
