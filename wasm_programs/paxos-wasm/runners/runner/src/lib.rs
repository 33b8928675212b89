//! The runner of one agent: the only wait of its process, over everything that its agent waits for, a timer, and the wish to stop.

use std::collections::BTreeMap;

use exports::replicode::paxos::runner::Guest;
use paxos_bindings::fault;
use paxos_bindings::poll::{Pollable, poll};
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_imports::call::{agent, host_control};
use paxos_imports::monotonic_clock;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "runner-component",
        path: "../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/settings@1.0.0": paxos_bindings::wit::settings,
            "replicode:paxos/agent-types@1.0.0": paxos_bindings::wit::agent_types,
            "replicode:paxos/host-control@1.0.0": paxos_imports::call::host_control,
            "replicode:paxos/agent@1.0.0": paxos_imports::call::agent,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
            "wasi:clocks/monotonic-clock@0.2.12": paxos_imports::monotonic_clock,
        },
    });
}
use generated::exports;

/// Between two reports of figures.
const REPORT: u64 = 1_000_000_000;

struct Component;

impl Guest for Component {
    fn run() -> Result<(), Fault> {
        let settings = host_control::get_settings();
        let [role] = settings.roles[..] else {
            let text = "this runner plays one role; for all three there is runner-combined";
            return Err(fault(FaultKind::Configuration, text));
        };
        agent::start(&settings, monotonic_clock::now())?;
        host_control::ready(role);

        let stop = host_control::stop_pollable();
        let mut sources: BTreeMap<u8, Vec<Pollable>> = BTreeMap::new();
        let mut report = monotonic_clock::now();
        loop {
            let now = monotonic_clock::now();
            let turned = agent::turn(now, &[])?;
            if now >= report {
                host_control::metrics(role, &agent::metrics());
                report = now + REPORT;
            }
            for new in agent::subscribe() {
                sources.insert(new.source, new.ready_when);
            }
            // Also when there is more to do: the host's sockets learn of new bytes while it polls.
            let until = if turned.more { 0 } else { turned.deadline.unwrap_or(report).min(report) };
            let timer = monotonic_clock::subscribe_instant(until);
            let mut waited: Vec<&Pollable> = vec![&stop, &timer];
            waited.extend(sources.values().flatten());
            if poll(&waited).contains(&0) && host_control::stopping() {
                return agent::stop();
            }
        }
    }
}

generated::export!(Component with_types_in generated);
