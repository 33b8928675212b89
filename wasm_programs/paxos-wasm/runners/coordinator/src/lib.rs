//! The coordinator of a node: starts its processes, watches them, and starts again what died.

use std::collections::BTreeMap;

use exports::replicode::paxos::coordinator::Guest;
use paxos_bindings::poll::{Pollable, poll};
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_imports::call::host_control::{self, Ending, EventKind, Level};
use paxos_imports::monotonic_clock;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "coordinator-component",
        path: "../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/settings@1.0.0": paxos_bindings::wit::settings,
            "replicode:paxos/host-control@1.0.0": paxos_imports::call::host_control,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
            "wasi:clocks/monotonic-clock@0.2.12": paxos_imports::monotonic_clock,
        },
    });
}
use generated::exports;

/// A process of this node.
struct Child {
    running: bool,
    started: u64,
    /// The wait before the next start.
    wait: u64,
    /// It is to be started then.
    due: Option<u64>,
    /// Faults in a row that may pass: what held the address or the folder may be gone in a moment.
    faults: u32,
}

struct Coordinator {
    children: BTreeMap<String, Child>,
    waits: (u64, u64),
    stopping: bool,
    /// The first fault that a new start does not cure.
    fatal: Option<Fault>,
}

/// Starts after which a fault of the network is believed to stay.
const TRIES: u32 = 4;

/// Whether the same would happen again. A process that was killed may hold its address a moment longer, so the network is tried again. (For
/// its folder the host waits.) A disk that is full or damaged is for a person: the node stops and names it.
fn fatal(fault: &Fault, faults: u32) -> bool {
    match fault.kind {
        FaultKind::Refused | FaultKind::Configuration | FaultKind::Contract | FaultKind::Storage => true,
        FaultKind::Network => faults >= TRIES,
    }
}

impl Coordinator {
    /// Starts what is due.
    fn start(&mut self, now: u64) -> Result<(), Fault> {
        for (name, child) in &mut self.children {
            if child.due.is_some_and(|due| due <= now) {
                host_control::spawn(name)?;
                child.due = None;
                child.running = true;
                child.started = now;
            }
        }
        Ok(())
    }

    fn stop_all(&mut self) {
        self.stopping = true;
        for (name, child) in &mut self.children {
            child.due = None;
            // Its end comes as an event, also if it has ended meanwhile.
            if child.running && host_control::stop(name).is_err() {
                child.running = false;
            }
        }
    }

    fn ended(&mut self, name: &str, ending: Ending, now: u64) {
        let (first, most) = self.waits;
        let stopping = self.stopping;
        let Some(child) = self.children.get_mut(name) else { return };
        child.running = false;
        // Who lived long begins with a short wait again.
        if now.saturating_sub(child.started) > most.saturating_mul(2) {
            child.wait = first;
            child.faults = 0;
        }
        match ending {
            Ending::Stopped if stopping => return,
            Ending::Stopped => host_control::log(Level::Warn, &format!("the {name} stopped, and was not asked to")),
            Ending::Faulted(fault) => {
                host_control::log(Level::Error, &format!("the {name} ended: {}", fault.text));
                child.faults += 1;
                if fatal(&fault, child.faults) {
                    self.fatal.get_or_insert(fault);
                    return;
                }
            }
            Ending::Died(why) => host_control::log(Level::Warn, &format!("the {name} died: {why}")),
        }
        if stopping {
            return;
        }
        host_control::log(Level::Info, &format!("the {name} is started again in {} ms", child.wait / 1_000_000));
        child.due = Some(now.saturating_add(child.wait));
        child.wait = child.wait.saturating_mul(2).clamp(first, most);
    }
}

struct Component;

impl Guest for Component {
    fn run() -> Result<(), Fault> {
        let waits = host_control::restart_waits();
        let now = monotonic_clock::now();
        let child = || Child { running: false, started: now, wait: waits.0, due: Some(now), faults: 0 };
        let children = host_control::processes().into_iter().map(|process| (process.name, child())).collect();
        let mut coordinator = Coordinator { children, waits, stopping: false, fatal: None };
        let stop = host_control::stop_pollable();
        let watch = host_control::watch_pollable();
        loop {
            let now = monotonic_clock::now();
            for event in host_control::watch() {
                match event.kind {
                    EventKind::Ready => host_control::log(Level::Info, &format!("the {} is ready", event.process)),
                    EventKind::Ended(ending) => coordinator.ended(&event.process, ending, now),
                }
            }
            if !coordinator.stopping && (coordinator.fatal.is_some() || host_control::stopping()) {
                coordinator.stop_all();
            }
            if coordinator.stopping && coordinator.children.values().all(|child| !child.running) {
                return coordinator.fatal.map_or(Ok(()), Err);
            }
            coordinator.start(now)?;
            let due = coordinator.children.values().filter_map(|child| child.due).min();
            let timer = due.map(monotonic_clock::subscribe_instant);
            let mut waited: Vec<&Pollable> = vec![&watch];
            waited.extend((!coordinator.stopping).then_some(&stop));
            waited.extend(&timer);
            poll(&waited);
        }
    }
}

generated::export!(Component with_types_in generated);
