//! How the kernel and the NAT table talk: through here, in the order in which things happened.

use crate::machine::{Machine, Work};
use replicode_log::{ConnId, HostAddr, Ingress, Output, Refused, SockId};
use replicode_nat::Sides;
use replicode_syscalls::Kernel;

/// What the NAT table sees on its two sides while the machine lends it the kernel and the batch's outputs.
pub(crate) struct Between<'a> {
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) work: &'a mut Work,
}

impl Sides for Between<'_> {
    fn incoming(&mut self, listener: SockId, peer: HostAddr, send_window: u64) -> Result<SockId, Refused> {
        let queued = self.kernel.deliver(Ingress::Incoming { listener, peer, send_window })?;
        queued.ok_or(Refused::NoListener)
    }

    fn ingress(&mut self, event: Ingress) {
        // Only a connection that comes in can be refused.
        let _ = self.kernel.deliver(event);
    }

    fn output(&mut self, output: Output) {
        self.work.outputs.push(output);
    }
}

impl<L> Machine<L> {
    /// Carries everything that the kernel has to say to where it belongs, until it has nothing more to say.
    pub(crate) fn pump(&mut self, kernel: &mut Kernel, work: &mut Work) {
        while let Some(event) = kernel.poll_net() {
            self.nat.egress(event, &mut Between { kernel, work });
        }
        while let Some((pid, stream, bytes)) = kernel.poll_console() {
            work.outputs.push(Output::Console { pid, stream, bytes });
        }
        while let Some((pid, limit)) = kernel.poll_stdin_window() {
            if self.stdin.get_mut(&pid).is_some_and(|intake| intake.grant(limit)) {
                work.outputs.push(Output::Credit { conn: ConnId::console(pid), limit });
            }
        }
    }
}
