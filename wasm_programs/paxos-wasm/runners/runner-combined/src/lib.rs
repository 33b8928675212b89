//! The runner of a whole node: three agents in one process. What they say to each other is handed over here, without a socket.

use std::collections::BTreeMap;

use exports::replicode::paxos::runner::Guest;
use paxos_bindings::fault;
use paxos_bindings::poll::{Pollable, poll};
use paxos_bindings::wit::agent_types::{Letter, Pollables, Turned};
use paxos_bindings::wit::settings::Settings;
use paxos_bindings::wit::types::{Fault, FaultKind, Role};
use paxos_imports::call::{acceptor_agent, host_control, learner_agent, proposer_agent};
use paxos_imports::monotonic_clock;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "runner-combined-component",
        path: "../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/settings@1.0.0": paxos_bindings::wit::settings,
            "replicode:paxos/agent-types@1.0.0": paxos_bindings::wit::agent_types,
            "replicode:paxos/host-control@1.0.0": paxos_imports::call::host_control,
            "replicode:paxos/proposer-agent@1.0.0": paxos_imports::call::proposer_agent,
            "replicode:paxos/acceptor-agent@1.0.0": paxos_imports::call::acceptor_agent,
            "replicode:paxos/learner-agent@1.0.0": paxos_imports::call::learner_agent,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
            "wasi:clocks/monotonic-clock@0.2.12": paxos_imports::monotonic_clock,
        },
    });
}
use generated::exports;

/// Between two reports of figures.
const REPORT: u64 = 1_000_000_000;
/// Rounds of letters between two waits. Messages among the three end by themselves; this bounds what peers and clients wait.
const ROUNDS: usize = 8;

/// The acceptor first: it has nobody to wait for.
const ROLES: [Role; 3] = [Role::Acceptor, Role::Learner, Role::Proposer];

/// One of the three agents.
struct Agent {
    role: Role,
    sources: BTreeMap<u8, Vec<Pollable>>,
    letters: Vec<Letter>,
    deadline: Option<u64>,
    /// It has something to do now.
    due: bool,
}

impl Agent {
    fn start(role: Role, settings: &Settings, now: u64) -> Result<Agent, Fault> {
        match role {
            Role::Acceptor => acceptor_agent::start(settings, now),
            Role::Learner => learner_agent::start(settings, now),
            _ => proposer_agent::start(settings, now),
        }?;
        host_control::ready(role);
        Ok(Agent { role, sources: BTreeMap::new(), letters: Vec::new(), deadline: None, due: true })
    }

    fn turn(&self, now: u64, letters: &[Letter]) -> Result<Turned, Fault> {
        match self.role {
            Role::Acceptor => acceptor_agent::turn(now, letters),
            Role::Learner => learner_agent::turn(now, letters),
            _ => proposer_agent::turn(now, letters),
        }
    }

    fn subscribe(&mut self) {
        let new: Vec<Pollables> = match self.role {
            Role::Acceptor => acceptor_agent::subscribe(),
            Role::Learner => learner_agent::subscribe(),
            _ => proposer_agent::subscribe(),
        };
        for new in new {
            self.sources.insert(new.source, new.ready_when);
        }
    }

    fn report(&self) {
        let figures = match self.role {
            Role::Acceptor => acceptor_agent::metrics(),
            Role::Learner => learner_agent::metrics(),
            _ => proposer_agent::metrics(),
        };
        host_control::metrics(self.role, &figures);
    }

    fn stop(&self) -> Result<(), Fault> {
        match self.role {
            Role::Acceptor => acceptor_agent::stop(),
            Role::Learner => learner_agent::stop(),
            _ => proposer_agent::stop(),
        }
    }
}

/// Turns of all agents that have something to do, until none has but for sockets, or the rounds are over.
fn turns(agents: &mut [Agent], now: u64) -> Result<(), Fault> {
    for _ in 0..ROUNDS {
        let mut idle = true;
        for at in 0..agents.len() {
            let agent = &mut agents[at];
            let late = agent.deadline.is_some_and(|then| then <= now);
            if !agent.due && !late && agent.letters.is_empty() {
                continue;
            }
            idle = false;
            let letters = std::mem::take(&mut agent.letters);
            let turned = agent.turn(now, &letters)?;
            agent.deadline = turned.deadline;
            // More from sockets is for after the next wait, which is where sockets learn of it.
            agent.due = false;
            let more = turned.more;
            for letter in turned.local {
                if let Some(to) = agents.iter_mut().find(|agent| agent.role == letter.to.role) {
                    to.letters.push(letter);
                }
            }
            if more {
                agents[at].deadline = Some(0);
            }
        }
        if idle || agents.iter().all(|agent| agent.letters.is_empty()) {
            break;
        }
    }
    Ok(())
}

struct Component;

impl Guest for Component {
    fn run() -> Result<(), Fault> {
        let settings = host_control::get_settings();
        if !ROLES.iter().all(|role| settings.roles.contains(role)) {
            let text = "this runner plays all three roles; for one there is runner";
            return Err(fault(FaultKind::Configuration, text));
        }
        let now = monotonic_clock::now();
        let agents: Result<Vec<Agent>, Fault> = ROLES.iter().map(|role| Agent::start(*role, &settings, now)).collect();
        let mut agents = agents?;
        let stop = host_control::stop_pollable();
        let mut report = now;
        loop {
            let now = monotonic_clock::now();
            turns(&mut agents, now)?;
            if now >= report {
                agents.iter().for_each(Agent::report);
                report = now + REPORT;
            }
            agents.iter_mut().for_each(Agent::subscribe);
            let waiting = agents.iter().any(|agent| !agent.letters.is_empty());
            let deadline = agents.iter().filter_map(|agent| agent.deadline).fold(report, u64::min);
            let timer = monotonic_clock::subscribe_instant(if waiting { 0 } else { deadline });
            let mut waited: Vec<&Pollable> = vec![&stop, &timer];
            // Whose pollable stands where.
            let mut whose: Vec<usize> = vec![usize::MAX; 2];
            for (at, agent) in agents.iter().enumerate() {
                for pollable in agent.sources.values().flatten() {
                    waited.push(pollable);
                    whose.push(at);
                }
            }
            let ready = poll(&waited);
            if ready.contains(&0) && host_control::stopping() {
                return agents.iter().try_for_each(Agent::stop);
            }
            for index in ready {
                let at = whose.get(index as usize).copied().unwrap_or(usize::MAX);
                if let Some(agent) = agents.get_mut(at) {
                    agent.due = true;
                }
            }
        }
    }
}

generated::export!(Component with_types_in generated);
