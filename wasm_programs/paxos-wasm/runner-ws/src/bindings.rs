//! The WIT package as Rust types and traits, generated.
//!
//! One world imports every interface: so each record has one Rust type, which crosses in both directions, whether the host
//! provides the interface or hands it on from one component to another.

#![allow(missing_docs, clippy::pedantic, clippy::unwrap_used)]

wasmtime::component::bindgen!({
    path: "../shared/wit",
    inline: "
        package replicode:paxos-host;
        world everything {
            import replicode:paxos/host-control@1.0.0;
            import replicode:paxos/network-server@1.0.0;
            import replicode:paxos/network-client@1.0.0;
            import replicode:paxos/client-server@1.0.0;
            import replicode:paxos/serializer@1.0.0;
            import replicode:paxos/storage@1.0.0;
            import replicode:paxos/agent@1.0.0;
            import replicode:paxos/proposer@1.0.0;
            import replicode:paxos/acceptor@1.0.0;
            import replicode:paxos/learner@1.0.0;
            import replicode:paxos/kv-store@1.0.0;
            import replicode:paxos/failure-detector@1.0.0;
            import replicode:paxos/leader-detector@1.0.0;
        }
    ",
    world: "replicode:paxos-host/everything",
    with: { "wasi": wasmtime_wasi::p2::bindings },
    imports: { default: trappable },
    require_store_data_send: true,
});

pub use replicode::paxos::{
    acceptor, agent_types, client_server, core_types, failure_detector, host_control, kv_store, leader_detector,
    learner, messages, network_client, network_server, network_types, proposer, serializer, settings, storage, types,
};
