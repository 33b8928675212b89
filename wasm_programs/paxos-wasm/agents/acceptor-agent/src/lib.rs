//! The acceptor's agent as a component: the loop of `paxos-agents` over this component's imports.

use std::cell::RefCell;

use exports::replicode::paxos::agent::Guest;
use paxos_agents::Imported;
use paxos_agents::acceptor::AcceptorAgent;
use paxos_bindings::fault;
use paxos_bindings::wit::agent_types::{Letter, Pollables, Turned};
use paxos_bindings::wit::settings::Settings;
use paxos_bindings::wit::types::{Fault, FaultKind, Role};
use paxos_imports::call;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "acceptor-agent-component",
        path: "../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/settings@1.0.0": paxos_bindings::wit::settings,
            "replicode:paxos/network-types@1.0.0": paxos_bindings::wit::network_types,
            "replicode:paxos/agent-types@1.0.0": paxos_bindings::wit::agent_types,
            "replicode:paxos/core-types@1.0.0": paxos_bindings::wit::core_types,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
            "replicode:paxos/acceptor@1.0.0": paxos_imports::call::acceptor,
            "replicode:paxos/storage@1.0.0": paxos_imports::call::storage,
            "replicode:paxos/serializer@1.0.0": paxos_imports::call::serializer,
            "replicode:paxos/network-server@1.0.0": paxos_imports::call::network_server,
            "replicode:paxos/network-client@1.0.0": paxos_imports::call::network_client,
            "replicode:paxos/host-control@1.0.0": paxos_imports::call::host_control,
        },
    });
}
use generated::exports;

thread_local! {
    static AGENT: RefCell<Option<AcceptorAgent<Imported>>> = const { RefCell::new(None) };
}

fn with<T>(act: impl FnOnce(&mut AcceptorAgent<Imported>) -> Result<T, Fault>) -> Result<T, Fault> {
    AGENT.with_borrow_mut(|agent| match agent {
        Some(agent) => act(agent),
        None => Err(fault(FaultKind::Contract, "this agent has not been started")),
    })
}

struct Component;

impl Guest for Component {
    fn start(settings: Settings, _now: u64) -> Result<(), Fault> {
        let agent = AcceptorAgent::start(Imported(Role::Acceptor), &settings)?;
        AGENT.set(Some(agent));
        Ok(())
    }

    fn subscribe() -> Vec<Pollables> {
        let role = Role::Acceptor;
        paxos_agents::changed([
            call::network_server::subscribe(role),
            call::network_client::subscribe(role),
            call::storage::subscribe(role),
        ])
    }

    fn turn(now: u64, local: Vec<Letter>) -> Result<Turned, Fault> {
        with(|agent| agent.turn(now, local))
    }

    fn metrics() -> Vec<(String, u64)> {
        with(|agent| Ok(agent.metrics())).unwrap_or_default()
    }

    fn stop() -> Result<(), Fault> {
        with(|agent| agent.stop())
    }
}

generated::export!(Component with_types_in generated);
