//! The client server as a component: [`ClientServer`] over `wasi:sockets`.

use std::cell::RefCell;

use exports::replicode::paxos::client_server::{Answer, Guest, Intake, Request};
use paxos_bindings::poll::Pollable;
use paxos_bindings::wit::network_types::{NetworkCounters, NetworkLimits};
use paxos_bindings::wit::types::Fault;
use paxos_connections::ClientServer;
use paxos_types::Instant;
use paxos_wasi_sockets::{WasiSockets, counters, limits, network_fault, numeric};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "client-server-component",
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
    static SERVER: RefCell<Option<ClientServer<WasiSockets>>> = const { RefCell::new(None) };
}

/// What `act` gives for the server; nothing before `listen`.
fn with<T>(act: impl FnOnce(&mut ClientServer<WasiSockets>) -> T) -> Option<T> {
    SERVER.with_borrow_mut(|server| {
        let server = server.as_mut()?;
        server.sockets().begin();
        Some(act(server))
    })
}

struct Component;

impl Guest for Component {
    fn listen(address: String, cluster: String, bounds: NetworkLimits) -> Result<(), Fault> {
        let server = ClientServer::listen(WasiSockets::default(), numeric(&address)?, &cluster, limits(bounds))
            .map_err(network_fault)?;
        SERVER.set(Some(server));
        Ok(())
    }

    fn requests(now: u64, max_bytes: u32) -> Intake {
        let intake = with(|server| server.requests(Instant(now), max_bytes as usize)).unwrap_or_default();
        let requests = intake.requests.into_iter();
        Intake {
            requests: requests.map(|(connection, commands)| Request { connection, commands }).collect(),
            closed: intake.closed,
            more: intake.more,
            notes: intake.notes,
        }
    }

    fn reply(replies: Vec<Answer>) {
        with(|server| server.reply(replies.into_iter().map(|reply| (reply.connection, reply.frame))));
    }

    fn subscribe() -> Option<Vec<Pollable>> {
        with(|server| {
            if !server.take_changed() {
                return None;
            }
            let pollables = WasiSockets::pollables(server.interests());
            server.sockets().replaced();
            Some(pollables)
        })
        .flatten()
    }

    fn counters() -> NetworkCounters {
        counters(with(|server| server.counters()).unwrap_or_default())
    }

    fn close() {
        with(ClientServer::close);
    }
}

generated::export!(Component with_types_in generated);
