//! The replicated key-value store as a component. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::RefCell;

use exports::replicode::paxos::kv_store as w;
use paxos_bindings::wit::core_types::Execution;
use paxos_bindings::wit::messages::SlotReplies as SlotRepliesWord;
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_bindings::{Words, fault};
use paxos_kv_store::{Config, KvStore};
use paxos_types::{NodeId, Slot, SlotReplies};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "kv-store-component",
        path: "../../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "replicode:paxos/messages@1.0.0": paxos_bindings::wit::messages,
            "replicode:paxos/core-types@1.0.0": paxos_bindings::wit::core_types,
        },
    });
}
use generated::exports;

thread_local! {
    static CORE: RefCell<Option<(NodeId, KvStore)>> = const { RefCell::new(None) };
}

fn with<T>(act: impl FnOnce(NodeId, &mut KvStore) -> Result<T, paxos_kv_store::Fault>) -> Result<T, Fault> {
    CORE.with_borrow_mut(|core| match core {
        Some((node, core)) => act(*node, core).map_err(|e| fault(FaultKind::Contract, e.to_string())),
        None => Err(fault(FaultKind::Contract, "the kv-store has to be configured first")),
    })
}

struct Component;

impl w::Guest for Component {
    fn configure(c: w::Config) -> Result<(), Fault> {
        let sessions = usize::try_from(c.sessions).unwrap_or(usize::MAX);
        // Nothing is left for the rest now; the field that is broken on purpose in simulations is not compiled in here.
        #[allow(clippy::needless_update)]
        let config = Config { sessions, seed: c.seed, ..Config::default() };
        CORE.set(Some((NodeId(c.node), KvStore::new(config))));
        Ok(())
    }

    fn apply(slots: Vec<Execution>) -> Result<Vec<SlotRepliesWord>, Fault> {
        with(|node, core| {
            let mut all = Vec::with_capacity(slots.len());
            for execution in slots {
                let mut replies = Vec::new();
                if let Some(batch) = core.apply(Slot(execution.slot), &execution.batch, node, &mut replies)? {
                    all.push(SlotReplies { batch: batch.id, first: 0, replies: replies.into() }.word());
                }
            }
            Ok(all)
        })
    }

    fn begin_snapshot() -> w::Begun {
        with(|_, core| Ok(w::Begun { slot: core.applied().0, total: core.begin_snapshot() }))
            .unwrap_or(w::Begun { slot: 0, total: 0 })
    }

    fn snapshot_part() -> Result<Vec<u8>, Fault> {
        with(|_, core| core.snapshot_part())
    }

    fn restore(slot: u64, bytes: Vec<u8>) -> Result<(), Fault> {
        with(|_, core| {
            core.restore(&bytes)?;
            if core.applied() == Slot(slot) {
                return Ok(());
            }
            Err(paxos_kv_store::Fault(format!("a snapshot of slot {} was handed over as of {slot}", core.applied())))
        })
    }

    fn stand() -> w::Standing {
        with(|_, core| {
            let (keys, sessions) = core.sizes();
            let (keys, sessions) = (keys as u64, sessions as u64);
            Ok(w::Standing { keys, sessions, applied: core.applied().0, index: core.index() })
        })
        .unwrap_or(w::Standing { keys: 0, sessions: 0, applied: 0, index: 0 })
    }
}

generated::export!(Component with_types_in generated);
