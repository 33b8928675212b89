//! Linking at start: a component's import is handed on to another component's export, in one store.
//!
//! Each interface that one component may have from another one is listed here with its functions and their types, so that
//! what crosses is lifted and lowered as those types, not as dynamic values. A call costs a lift, a lower and a fiber; it is
//! made per batch.

use crate::bindings::agent_types::{Letter, Pollables, Turned};
use crate::bindings::core_types::Execution;
use crate::bindings::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use crate::bindings::settings::Settings;
use crate::bindings::types::{Durability, Fault, Role};
use crate::bindings::{
    acceptor, client_server, failure_detector, host_control, kv_store, leader_detector, learner, messages,
    network_client, network_server, proposer, serializer, storage,
};
use crate::load::inspect::PAXOS_VERSION;
use crate::load::plan::{Part, Plan, Source, WORDS};
use crate::state::State;
use crate::tcp;
use std::collections::BTreeMap;
use wasmtime::component::{Component, HasSelf, Instance, Linker, Resource};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::DynPollable;

/// Pollables of one end, when they are others than before.
type Subscription = Option<Vec<Resource<DynPollable>>>;

/// The whole name of an interface of ours.
#[must_use]
pub fn full(interface: &str) -> String {
    format!("replicode:paxos/{interface}@{PAXOS_VERSION}")
}

/// Instantiates all parts of a plan, linked as it says. The last one is what runs.
///
/// # Errors
/// When an import and its export have other types, or a component traps at its start.
pub async fn instantiate(
    engine: &Engine,
    store: &mut Store<State>,
    plan: &Plan,
    components: &[Component],
) -> wasmtime::Result<Instance> {
    let mut instances: BTreeMap<&str, Instance> = BTreeMap::new();
    let mut last = None;
    for (part, component) in plan.parts.iter().zip(components) {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        tcp::add_to_linker(&mut linker)?;
        provide(&mut linker, store, part, &instances)?;
        let instance = linker.instantiate_async(&mut *store, component).await?;
        instances.insert(&part.name, instance);
        last = Some(instance);
    }
    last.ok_or_else(|| wasmtime::format_err!("a plan without parts"))
}

/// Defines what a part imports.
fn provide(
    linker: &mut Linker<State>,
    store: &mut Store<State>,
    part: &Part,
    instances: &BTreeMap<&str, Instance>,
) -> wasmtime::Result<()> {
    for (interface, source) in &part.links {
        match source {
            Source::Host => by_host(linker, interface)?,
            Source::Part(name, exported) => {
                let instance = instances
                    .get(name.as_str())
                    .ok_or_else(|| wasmtime::format_err!("{} needs {name}, which is not there yet", part.name))?;
                hand_on(linker, store, *instance, exported, interface)?;
            }
        }
    }
    Ok(())
}

fn by_host(linker: &mut Linker<State>, interface: &str) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    fn own(state: &mut State) -> &mut State {
        state
    }
    match interface {
        "host-control" => host_control::add_to_linker::<_, Own>(linker, own),
        "network-server" => network_server::add_to_linker::<_, Own>(linker, own),
        "network-client" => network_client::add_to_linker::<_, Own>(linker, own),
        "client-server" => client_server::add_to_linker::<_, Own>(linker, own),
        "serializer" => serializer::add_to_linker::<_, Own>(linker, own),
        "storage" => storage::add_to_linker::<_, Own>(linker, own),
        words if WORDS.contains(&words) => linker.instance(&full(words)).map(|_| ()),
        other => Err(wasmtime::format_err!("the host does not provide {}", full(other))),
    }
}

/// Hands each listed function of an import on to the export of the same name.
macro_rules! functions {
    ($there:ident, $($name:literal: ($($type:ty),*) -> $result:ty;)+) => {{
        $($there.function::<($($type,)*), ($result,)>($name)?;)+
        Ok(())
    }};
}

/// The same for functions without a result.
macro_rules! procedures {
    ($there:ident, $($name:literal: ($($type:ty),*);)+) => {{
        $($there.function::<($($type,)*), ()>($name)?;)+
    }};
}

/// One import on its way to one export.
struct There<'a> {
    linker: &'a mut Linker<State>,
    store: &'a mut Store<State>,
    instance: Instance,
    exported: String,
    imported: String,
}

impl There<'_> {
    fn function<P, R>(&mut self, name: &str) -> wasmtime::Result<()>
    where
        P: wasmtime::component::ComponentNamedList
            + wasmtime::component::Lift
            + wasmtime::component::Lower
            + Send
            + Sync
            + 'static,
        R: wasmtime::component::ComponentNamedList
            + wasmtime::component::Lift
            + wasmtime::component::Lower
            + Send
            + Sync
            + 'static,
    {
        let missing = || wasmtime::format_err!("{} has no function {name}", self.exported);
        let interface = self.instance.get_export_index(&mut *self.store, None, &self.exported).ok_or_else(missing)?;
        let index = self.instance.get_export_index(&mut *self.store, Some(&interface), name).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<P, R>(&mut *self.store, index)?;
        self.linker.instance(&self.imported)?.func_wrap_async(name, move |mut store, arguments: P| {
            Box::new(async move { function.call_async(&mut store, arguments).await })
        })
    }
}

fn hand_on(
    linker: &mut Linker<State>,
    store: &mut Store<State>,
    instance: Instance,
    exported: &str,
    imported: &str,
) -> wasmtime::Result<()> {
    let mut there = There { linker, store, instance, exported: full(exported), imported: full(imported) };
    match imported {
        "network-server" => {
            procedures!(there, "close": (Role););
            functions!(there,
                "listen": (String, HelloConfig, NetworkLimits) -> Result<(), Fault>;
                "receive": (Role, u64, u32) -> network_server::Intake;
                "subscribe": (Role) -> Subscription;
                "counters": (Role) -> NetworkCounters;
            )
        }
        "network-client" => {
            procedures!(there, "send": (Role, Vec<network_client::Parcel>); "close": (Role););
            functions!(there,
                "connect-to": (Vec<network_client::Peer>, HelloConfig, NetworkLimits, network_client::BackOff) -> Result<(), Fault>;
                "pump": (Role, u64) -> network_client::Pumped;
                "subscribe": (Role) -> Subscription;
                "counters": (Role) -> NetworkCounters;
            )
        }
        "client-server" => {
            procedures!(there, "reply": (Vec<client_server::Answer>); "close": (););
            functions!(there,
                "listen": (String, String, NetworkLimits) -> Result<(), Fault>;
                "requests": (u64, u32) -> client_server::Intake;
                "subscribe": () -> Subscription;
                "counters": () -> NetworkCounters;
            )
        }
        "serializer" => functions!(there,
            "configure": (String) -> Result<(), Fault>;
            "encode": (Vec<Vec<messages::Message>>) -> Vec<Vec<u8>>;
            "decode": (Vec<Vec<u8>>) -> Vec<Result<Vec<messages::Message>, String>>;
        ),
        "storage" => functions!(there,
            "open": (String, storage::Identity, Durability) -> Result<storage::Opened, Fault>;
            "append": (Role, Vec<Vec<u8>>) -> Result<u64, Fault>;
            "flush": (Role) -> Result<(), Fault>;
            "durable": (Role) -> Result<storage::Progress, Fault>;
            "subscribe": (Role) -> Subscription;
            "read": (Role, u64, u32) -> Result<Vec<Vec<u8>>, Fault>;
            "truncate": (Role, u64) -> Result<(), Fault>;
            "begin-snapshot": (Role, u64) -> Result<(), Fault>;
            "add-to-snapshot": (Role, Vec<u8>) -> Result<(), Fault>;
            "finish-snapshot": (Role) -> Result<(), Fault>;
            "load-snapshot": (Role, u64, u32) -> Result<Option<storage::SnapshotPart>, Fault>;
            "close": (Role) -> Result<(), Fault>;
        ),
        "acceptor" => functions!(there,
            "configure": (acceptor::Config) -> Result<(), Fault>;
            "recover": (u64, Vec<Vec<u8>>) -> Result<(), Fault>;
            "step": (u64, acceptor::Inputs) -> Result<acceptor::Outputs, Fault>;
            "stand": () -> acceptor::Standing;
        ),
        "proposer" => functions!(there,
            "configure": (proposer::Config) -> Result<(), Fault>;
            "recover": (u64, Vec<Vec<u8>>) -> Result<(), Fault>;
            "step": (u64, proposer::Inputs) -> Result<proposer::Outputs, Fault>;
            "stand": () -> proposer::Standing;
        ),
        "learner" => functions!(there,
            "configure": (learner::Config, Vec<u8>) -> Result<(), Fault>;
            "step": (u64, learner::Inputs) -> Result<learner::Outputs, Fault>;
            "stand": () -> learner::Standing;
        ),
        "kv-store" => functions!(there,
            "configure": (kv_store::Config) -> Result<(), Fault>;
            "apply": (Vec<Execution>) -> Result<Vec<messages::SlotReplies>, Fault>;
            "begin-snapshot": () -> kv_store::Begun;
            "snapshot-part": () -> Result<Vec<u8>, Fault>;
            "restore": (u64, Vec<u8>) -> Result<(), Fault>;
            "stand": () -> kv_store::Standing;
        ),
        "failure-detector" => functions!(there,
            "configure": (failure_detector::Config, u64) -> Result<(), Fault>;
            "step": (u64, Vec<failure_detector::Sign>) -> failure_detector::Outputs;
        ),
        "leader-detector" => functions!(there,
            "configure": (leader_detector::Config) -> Result<(), Fault>;
            "step": (Vec<leader_detector::Input>) -> leader_detector::Outputs;
        ),
        "agent" | "proposer-agent" | "acceptor-agent" | "learner-agent" => functions!(there,
            "start": (Settings, u64) -> Result<(), Fault>;
            "subscribe": () -> Vec<Pollables>;
            "turn": (u64, Vec<Letter>) -> Result<Turned, Fault>;
            "metrics": () -> Vec<(String, u64)>;
            "stop": () -> Result<(), Fault>;
        ),
        other => Err(wasmtime::format_err!(
            "{} cannot be linked at start: this host does not know its functions",
            full(other)
        )),
    }
}
