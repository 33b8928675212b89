//! The network server as a component: [`PeerServer`] over `wasi:sockets`, one per role.

use std::cell::RefCell;
use std::collections::BTreeMap;

use exports::replicode::paxos::network_server::{Guest, Intake, Received};
use paxos_bindings::Words;
use paxos_bindings::poll::Pollable;
use paxos_bindings::wit::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use paxos_bindings::wit::types::{Fault, Role};
use paxos_connections::PeerServer;
use paxos_types::Instant;
use paxos_wasi_sockets::{WasiSockets, counters, greeting, limits, network_fault, numeric};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "network-server-component",
        path: "../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/network-types@1.0.0": paxos_bindings::wit::network_types,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
            "wasi:io/streams@0.2.12": paxos_wasi_sockets::wasi::io::streams,
            "wasi:io/error@0.2.12": paxos_wasi_sockets::wasi::io::error,
            "wasi:sockets/network@0.2.12": paxos_wasi_sockets::wasi::sockets::network,
            "wasi:sockets/instance-network@0.2.12": paxos_wasi_sockets::wasi::sockets::instance_network,
            "wasi:sockets/tcp@0.2.12": paxos_wasi_sockets::wasi::sockets::tcp,
            "wasi:sockets/tcp-create-socket@0.2.12": paxos_wasi_sockets::wasi::sockets::tcp_create_socket,
            "wasi:clocks/monotonic-clock@0.2.12": paxos_wasi_sockets::wasi::clocks::monotonic_clock,
        },
    });
}
use generated::exports;

thread_local! {
    static SERVERS: RefCell<BTreeMap<u8, PeerServer<WasiSockets>>> = const { RefCell::new(BTreeMap::new()) };
}

/// What `act` gives for the server of a role; nothing before `listen`.
fn with<T>(role: Role, act: impl FnOnce(&mut PeerServer<WasiSockets>) -> T) -> Option<T> {
    SERVERS.with_borrow_mut(|servers| {
        let server = servers.get_mut(&(role as u8))?;
        server.sockets().begin();
        Some(act(server))
    })
}

struct Component;

impl Guest for Component {
    fn listen(address: String, hello: HelloConfig, bounds: NetworkLimits) -> Result<(), Fault> {
        let role = hello.self_endpoint.role as u8;
        let server = PeerServer::listen(WasiSockets::default(), numeric(&address)?, greeting(hello)?, limits(bounds))
            .map_err(network_fault)?;
        SERVERS.with_borrow_mut(|servers| servers.insert(role, server));
        Ok(())
    }

    fn receive(role: Role, now: u64, max_bytes: u32) -> Intake {
        let intake = with(role, |server| server.receive(Instant(now), max_bytes as usize)).unwrap_or_default();
        let frames = intake.frames.into_iter();
        Intake {
            frames: frames.map(|(sender, frame)| Received { sender: sender.word(), frame }).collect(),
            more: intake.more,
            notes: intake.notes,
        }
    }

    fn subscribe(role: Role) -> Option<Vec<Pollable>> {
        with(role, |server| {
            if !server.take_changed() {
                return None;
            }
            let pollables = WasiSockets::pollables(server.interests());
            server.sockets().replaced();
            Some(pollables)
        })
        .flatten()
    }

    fn counters(role: Role) -> NetworkCounters {
        counters(with(role, |server| server.counters()).unwrap_or_default())
    }

    fn close(role: Role) {
        with(role, |server| server.close());
    }
}

generated::export!(Component with_types_in generated);
