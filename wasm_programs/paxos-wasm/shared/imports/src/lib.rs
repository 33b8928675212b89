//! What agents and runners call, generated once from `shared/wit`. Of these imports a component keeps those that it calls.

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "callers",
        path: "../wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/settings@1.0.0": paxos_bindings::wit::settings,
            "replicode:paxos/network-types@1.0.0": paxos_bindings::wit::network_types,
            "replicode:paxos/agent-types@1.0.0": paxos_bindings::wit::agent_types,
            "replicode:paxos/core-types@1.0.0": paxos_bindings::wit::core_types,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
        },
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Clone],
    });
}

pub use generated::replicode::paxos as call;
pub use generated::wasi::clocks::monotonic_clock;
