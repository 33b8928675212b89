//! The failure detector as a component. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::RefCell;

use exports::replicode::paxos::failure_detector as w;
use paxos_bindings::Words;
use paxos_bindings::wit::types::Fault;
use paxos_failure_detector::{Config, FailureDetector, Input, Output};
use paxos_types::{Instant, NodeId};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "failure-detector-component",
        path: "../../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
        },
    });
}
use generated::exports;

thread_local! {
    static CORE: RefCell<Option<FailureDetector>> = const { RefCell::new(None) };
}

struct Component;

impl w::Guest for Component {
    fn configure(c: w::Config, now: u64) -> Result<(), Fault> {
        let config = Config::new(c.peers.into_iter().map(NodeId).collect(), c.suspect);
        CORE.set(Some(FailureDetector::new(config, Instant(now))));
        Ok(())
    }

    fn step(now: u64, heard: Vec<w::Sign>) -> w::Outputs {
        CORE.with_borrow_mut(|core| {
            let Some(core) = core else { return w::Outputs { changes: Vec::new(), deadline: None } };
            let mut out = Vec::new();
            for w::Sign { node, life } in heard {
                core.step(Instant(now), Input::Heard { node: NodeId(node), life }, &mut out);
            }
            core.step(Instant(now), Input::Tick, &mut out);
            let changes = out.into_iter().map(|output| match output {
                Output::Suspect(node) => w::Change::Suspect(node.0),
                Output::Restore(node) => w::Change::Restore(node.0),
            });
            w::Outputs { changes: changes.collect(), deadline: core.deadline().word() }
        })
    }
}

generated::export!(Component with_types_in generated);
