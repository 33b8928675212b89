//! The network client as a component: [`PeerClient`] over `wasi:sockets`, one per role.

use std::cell::RefCell;
use std::collections::BTreeMap;

use exports::replicode::paxos::network_client::{BackOff, Guest, Parcel, Peer, Pumped};
use paxos_bindings::Words;
use paxos_bindings::poll::Pollable;
use paxos_bindings::wit::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use paxos_bindings::wit::types::{Fault, Role};
use paxos_connections::PeerClient;
use paxos_types::{Endpoint, Instant};
use paxos_wasi_sockets::{WasiSockets, counters, greeting, limits, numeric};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "network-client-component",
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
    static CLIENTS: RefCell<BTreeMap<u8, PeerClient<WasiSockets>>> = const { RefCell::new(BTreeMap::new()) };
}

/// What `act` gives for the client of a role; nothing before `connect-to`.
fn with<T>(role: Role, act: impl FnOnce(&mut PeerClient<WasiSockets>) -> T) -> Option<T> {
    CLIENTS.with_borrow_mut(|clients| {
        let client = clients.get_mut(&(role as u8))?;
        client.sockets().begin();
        Some(act(client))
    })
}

struct Component;

impl Guest for Component {
    fn connect_to(peers: Vec<Peer>, hello: HelloConfig, bounds: NetworkLimits, waits: BackOff) -> Result<(), Fault> {
        let role = hello.self_endpoint.role as u8;
        let peers: Result<Vec<_>, Fault> =
            peers.iter().map(|peer| Ok((Endpoint::from_word(peer.endpoint), numeric(&peer.address)?))).collect();
        let back_off = |to: Endpoint| {
            // Everybody's waits differ, towards everybody.
            let seed = waits.seed ^ (u64::from(to.node.0) << 8 | u64::from(to.role.code()));
            paxos_connections::BackOff::new(waits.first, waits.most, seed)
        };
        let client = PeerClient::new(WasiSockets::default(), peers?, greeting(hello)?, limits(bounds), back_off);
        CLIENTS.with_borrow_mut(|clients| clients.insert(role, client));
        Ok(())
    }

    fn send(role: Role, parcels: Vec<Parcel>) {
        with(role, |client| {
            for parcel in parcels {
                client.send(&Vec::<Endpoint>::from_word(parcel.to), &parcel.frame);
            }
        });
    }

    fn pump(role: Role, now: u64) -> Pumped {
        let pumped = with(role, |client| client.pump(Instant(now))).unwrap_or_default();
        Pumped { deadline: pumped.deadline.word(), up: pumped.up.word(), notes: pumped.notes }
    }

    fn subscribe(role: Role) -> Option<Vec<Pollable>> {
        with(role, |client| {
            if !client.take_changed() {
                return None;
            }
            let pollables = WasiSockets::pollables(client.interests());
            client.sockets().replaced();
            Some(pollables)
        })
        .flatten()
    }

    fn counters(role: Role) -> NetworkCounters {
        counters(with(role, |client| client.counters()).unwrap_or_default())
    }

    fn close(role: Role) {
        with(role, |client| client.close());
    }
}

generated::export!(Component with_types_in generated);
