//! Which outputs concern this node's own clients, and what goes to them together.
//!
//! Every node computes every output. The one that holds a connection, in the boot that the log grants it now, passes on
//! what is for it; all others drop it. What was for a connection of an earlier boot is for nobody: its client was reset, and the
//! number may be another's by now.

use replicode_log::{BootNo, NodeId, Output};
use replicode_pacing::gathering;

/// Whether an output is for a client that this node holds, in the boot that is granted.
#[must_use]
pub fn concerns(output: &Output, node: NodeId, granted: Option<BootNo>) -> bool {
    output.conn().is_some_and(|conn| conn.node() == Some(node) && granted == Some(conn.boot()))
}

/// What is to be carried out for clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForClients {
    /// In this order.
    pub outputs: Vec<Output>,
    /// So few that whoever brings them carries them out; otherwise their clients are about to ask again
    /// ([`gathering::written_at_once`]).
    pub at_once: bool,
}

/// Gathers what is for this node's clients until everything that is ready has been applied. It grows with what one group of
/// batches says, and no batch says more than the windows of the cell's connections allow.
#[derive(Debug, Default)]
pub struct Outputs {
    gathered: Vec<Output>,
}

impl Outputs {
    /// An output that [`concerns`] this node's clients.
    pub fn handle_output(&mut self, output: Output) {
        self.gathered.push(output);
    }

    /// The clients have been let go of: nothing of what they were to be told reaches anybody.
    pub fn handle_over(&mut self) {
        self.gathered.clear();
    }

    /// What has been gathered.
    pub fn poll_clients(&mut self) -> Option<ForClients> {
        if self.gathered.is_empty() {
            return None;
        }
        let outputs = std::mem::take(&mut self.gathered);
        let at_once = gathering::written_at_once(outputs.len());
        Some(ForClients { outputs, at_once })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{ConnId, Pid};

    fn node(n: u64) -> NodeId {
        NodeId::new(n).expect("valid")
    }

    fn reset(n: u64, boot: u32) -> Output {
        Output::Reset { conn: ConnId::new(node(n), BootNo(boot), 1).expect("valid") }
    }

    #[test]
    fn only_connections_of_the_boot_that_is_granted_concern_a_node() {
        let ours = |output: &Output, granted| concerns(output, node(2), granted);
        assert!(ours(&reset(2, 5), Some(BootNo(5))));
        assert!(!ours(&reset(2, 4), Some(BootNo(5))), "an earlier boot");
        assert!(!ours(&reset(2, 5), None), "none is granted");
        assert!(!ours(&reset(1, 5), Some(BootNo(5))), "another node");
        assert!(!ours(&Output::Reset { conn: ConnId::console(Pid(2)) }, Some(BootNo(0))), "a standard input");
        assert!(!ours(&Output::Started { pid: Pid(1), name: "web".into() }, Some(BootNo(5))));
    }

    #[test]
    fn few_go_at_once_and_many_are_left_to_others() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.poll_clients(), None);
        for count in [1, 4, 5] {
            (0..count).for_each(|_| outputs.handle_output(reset(2, 5)));
            let told = outputs.poll_clients().expect("there are some");
            assert_eq!((told.outputs.len(), told.at_once), (count, count <= 4));
        }
        outputs.handle_output(reset(2, 5));
        outputs.handle_over();
        assert_eq!(outputs.poll_clients(), None);
    }
}
