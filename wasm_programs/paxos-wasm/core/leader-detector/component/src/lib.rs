//! The leader detector as a component. It calls nobody (what it imports is the stdio of the standard library).

use std::cell::RefCell;

use exports::replicode::paxos::leader_detector as w;
use paxos_bindings::Words;
use paxos_bindings::wit::types::Fault;
use paxos_leader_detector::{Config, Input, LeaderDetector};
use paxos_types::NodeId;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "leader-detector-component",
        path: "../../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
        },
    });
}
use generated::exports;

thread_local! {
    static CORE: RefCell<Option<(NodeId, LeaderDetector)>> = const { RefCell::new(None) };
}

struct Component;

impl w::Guest for Component {
    fn configure(c: w::Config) -> Result<(), Fault> {
        let node = NodeId(c.node);
        let config = Config { node, nodes: c.nodes.into_iter().map(NodeId).collect() };
        CORE.set(Some((node, LeaderDetector::new(config))));
        Ok(())
    }

    fn step(inputs: Vec<w::Input>) -> w::Outputs {
        CORE.with_borrow_mut(|core| {
            let Some((own, core)) = core else { return w::Outputs { leader: None, follows: None, majority: false } };
            let mut out = Vec::new();
            for input in inputs {
                core.step(input_of(*own, input), &mut out);
            }
            w::Outputs { leader: core.leader().word(), follows: core.follows().word(), majority: core.majority() }
        })
    }
}

fn input_of(own: NodeId, input: w::Input) -> Input {
    match input {
        w::Input::Suspect(node) => Input::Suspect(NodeId(node)),
        w::Input::Restore(node) => Input::Restore(NodeId(node)),
        w::Input::Claim(c) if c.node == own.0 => Input::Own { leading: Words::from_word(c.leading), fit: c.fit },
        w::Input::Claim(c) => Input::Heartbeat {
            node: NodeId(c.node),
            leading: Words::from_word(c.leading),
            follows: Words::from_word(c.follows),
            fit: c.fit,
        },
    }
}

generated::export!(Component with_types_in generated);
