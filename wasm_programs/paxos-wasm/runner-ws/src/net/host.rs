//! The three network interfaces, for the components.

use super::client::Client;
use super::clients::Clients;
use super::server::Server;
use crate::bell;
use crate::bindings::network_client::{BackOff, Parcel, Peer, Pumped};
use crate::bindings::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use crate::bindings::types::{Endpoint, Fault, FaultKind, Role};
use crate::bindings::{client_server, network_client, network_server, network_types};
use crate::convert;
use crate::state::State;
use paxos_frame::Greeting;
use paxos_types::{Incarnation, NodeId, Serializer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

/// An end, and whether its pollable was given out.
struct End<T> {
    inner: Arc<Mutex<T>>,
    given: bool,
}

/// All ends of a process, by role.
#[derive(Default)]
pub struct Net {
    servers: [Option<End<Server>>; 4],
    clients: [Option<End<Client>>; 4],
    serving: Option<End<Clients>>,
}

impl Net {
    fn server(&mut self, role: Role) -> Option<&mut Option<End<Server>>> {
        self.servers.get_mut(role as usize)
    }

    fn client(&mut self, role: Role) -> Option<&mut Option<End<Client>>> {
        self.clients.get_mut(role as usize)
    }
}

impl<T> End<T> {
    fn new(inner: T) -> Self {
        Self { inner: Arc::new(Mutex::new(inner)), given: false }
    }

    /// Nobody panics while it is held, and one thread uses it.
    fn lock(&self) -> MutexGuard<'_, T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pollable of an end, once.
fn subscribe<T: Send + 'static>(
    table: &mut wasmtime::component::ResourceTable,
    end: Option<&mut End<T>>,
    is_ready: fn(&mut T, &mut Context<'_>) -> bool,
) -> wasmtime::Result<Option<Vec<Resource<DynPollable>>>> {
    let Some(end) = end.filter(|end| !end.given) else { return Ok(None) };
    end.given = true;
    let inner = Arc::clone(&end.inner);
    let ready = move |cx: &mut Context<'_>| is_ready(&mut inner.lock().unwrap_or_else(PoisonError::into_inner), cx);
    Ok(Some(vec![bell::pollable(table, ready)?]))
}

fn greeting(hello: &HelloConfig) -> Result<Greeting, Fault> {
    let serializer = Serializer::from_name(&hello.serializer).ok_or_else(|| Fault {
        kind: FaultKind::Configuration,
        text: format!("there is no serializer `{}`: compact or protobuf", hello.serializer),
    })?;
    let nodes = hello.nodes.iter().map(|node| NodeId(*node)).collect();
    let own = convert::endpoint(hello.self_endpoint);
    Ok(Greeting::new(&hello.cluster, own, serializer, Incarnation(hello.incarnation), nodes))
}

fn twice(what: &str) -> Fault {
    Fault { kind: FaultKind::Contract, text: format!("{what} was called twice for one role") }
}

impl network_types::Host for State {}

impl network_server::Host for State {
    fn listen(
        &mut self,
        address: String,
        hello: HelloConfig,
        limits: NetworkLimits,
    ) -> wasmtime::Result<Result<(), Fault>> {
        let (role, patience) = (hello.self_endpoint.role, self.control.patience());
        let Some(place) = self.net.server(role).filter(|place| place.is_none()) else {
            return Ok(Err(twice("network-server.listen")));
        };
        let listen = |greeting| Server::listen(&address, greeting, limits, patience, super::ENDING);
        Ok(greeting(&hello).and_then(listen).map(|server| *place = Some(End::new(server))))
    }

    fn receive(&mut self, role: Role, now: u64, max_bytes: u32) -> wasmtime::Result<network_server::Intake> {
        Ok(match self.net.server(role) {
            Some(Some(end)) => end.lock().receive(now, convert::size(max_bytes)),
            _ => network_server::Intake { frames: Vec::new(), more: false, notes: Vec::new() },
        })
    }

    fn subscribe(&mut self, role: Role) -> wasmtime::Result<Option<Vec<Resource<DynPollable>>>> {
        let end = self.net.servers.get_mut(role as usize).and_then(Option::as_mut);
        subscribe(&mut self.table, end, Server::is_ready)
    }

    fn counters(&mut self, role: Role) -> wasmtime::Result<NetworkCounters> {
        Ok(match self.net.server(role) {
            Some(Some(end)) => end.lock().counts,
            _ => super::no_counts(),
        })
    }

    fn close(&mut self, role: Role) -> wasmtime::Result<()> {
        if let Some(place) = self.net.server(role) {
            *place = None;
        }
        Ok(())
    }
}

impl network_client::Host for State {
    fn connect_to(
        &mut self,
        peers: Vec<Peer>,
        hello: HelloConfig,
        limits: NetworkLimits,
        back_off: BackOff,
    ) -> wasmtime::Result<Result<(), Fault>> {
        let (role, patience) = (hello.self_endpoint.role, self.control.patience());
        let Some(place) = self.net.client(role).filter(|place| place.is_none()) else {
            return Ok(Err(twice("network-client.connect-to")));
        };
        let connect = |greeting| Client::new(peers, greeting, limits, back_off, patience);
        Ok(greeting(&hello).and_then(connect).map(|client| *place = Some(End::new(client))))
    }

    fn send(&mut self, role: Role, parcels: Vec<Parcel>) -> wasmtime::Result<()> {
        if let Some(Some(end)) = self.net.client(role) {
            end.lock().send(parcels);
        }
        Ok(())
    }

    fn pump(&mut self, role: Role, now: u64) -> wasmtime::Result<Pumped> {
        Ok(match self.net.client(role) {
            Some(Some(end)) => end.lock().pump(now),
            _ => Pumped { deadline: None, up: Vec::<Endpoint>::new(), notes: Vec::new() },
        })
    }

    fn subscribe(&mut self, role: Role) -> wasmtime::Result<Option<Vec<Resource<DynPollable>>>> {
        let end = self.net.clients.get_mut(role as usize).and_then(Option::as_mut);
        subscribe(&mut self.table, end, Client::is_ready)
    }

    fn counters(&mut self, role: Role) -> wasmtime::Result<NetworkCounters> {
        Ok(match self.net.client(role) {
            Some(Some(end)) => end.lock().counts,
            _ => super::no_counts(),
        })
    }

    fn close(&mut self, role: Role) -> wasmtime::Result<()> {
        if let Some(place) = self.net.client(role) {
            *place = None;
        }
        Ok(())
    }
}

impl client_server::Host for State {
    fn listen(
        &mut self,
        address: String,
        cluster: String,
        limits: NetworkLimits,
    ) -> wasmtime::Result<Result<(), Fault>> {
        if self.net.serving.is_some() {
            return Ok(Err(twice("client-server.listen")));
        }
        Ok(Clients::listen(&address, &cluster, limits, super::ENDING)
            .map(|clients| self.net.serving = Some(End::new(clients))))
    }

    fn requests(&mut self, now: u64, max_bytes: u32) -> wasmtime::Result<client_server::Intake> {
        Ok(match &self.net.serving {
            Some(end) => end.lock().requests(now, convert::size(max_bytes)),
            None => client_server::Intake { requests: Vec::new(), closed: Vec::new(), more: false, notes: Vec::new() },
        })
    }

    fn reply(&mut self, replies: Vec<client_server::Answer>) -> wasmtime::Result<()> {
        if let Some(end) = &self.net.serving {
            end.lock().reply(replies);
        }
        Ok(())
    }

    fn subscribe(&mut self) -> wasmtime::Result<Option<Vec<Resource<DynPollable>>>> {
        subscribe(&mut self.table, self.net.serving.as_mut(), Clients::is_ready)
    }

    fn counters(&mut self) -> wasmtime::Result<NetworkCounters> {
        Ok(self.net.serving.as_ref().map_or_else(super::no_counts, |end| end.lock().counts))
    }

    fn close(&mut self) -> wasmtime::Result<()> {
        self.net.serving = None;
        Ok(())
    }
}
