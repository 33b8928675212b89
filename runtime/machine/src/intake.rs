//! What each kind of input does.

use crate::guest::GuestLoader;
use crate::machine::{Fault, Machine, Work};
use crate::sides::Between;
use replicode_log::{BootNo, ConnId, ExitStatus, Input, NodeId, Output, Pid, Section};
use replicode_nat::Violation;
use replicode_syscalls::Kernel;

impl<L: GuestLoader> Machine<L> {
    /// Admits the inputs of one section that are due; drops repeats, what lies behind a gap, and what a boot says that
    /// is over.
    pub(crate) fn admit(&mut self, section: Section, kernel: &mut Kernel, work: &mut Work) -> Result<(), Fault> {
        let Section { origin, boot, first_seq, inputs } = section;
        let mut seq = first_seq;
        for input in inputs {
            if boot == BootNo(0) {
                // Before a boot has its number, it can only ask for one.
                if let Input::Boot { nonce } = input {
                    self.boot(origin, nonce, kernel, work);
                }
                continue;
            }
            if self.origins.admit(origin, boot, seq) {
                work.events |= input.is_event();
                self.admit_one(origin, boot, input, kernel, work)?;
            }
            seq = seq.saturating_add(1);
        }
        Ok(())
    }

    fn admit_one(
        &mut self,
        origin: NodeId,
        boot: BootNo,
        input: Input,
        kernel: &mut Kernel,
        work: &mut Work,
    ) -> Result<(), Fault> {
        match input {
            // Asked for with boot number 0 only.
            Input::Boot { .. } => {}
            Input::NodeDown { node, boot } => {
                if self.origins.end(node, boot) {
                    self.boot_over(node, boot, kernel, work);
                }
            }
            Input::Spawn(spawn) => self.spawn(spawn, kernel, work)?,
            Input::Kill { pid } => self.end_process(pid, ExitStatus::Killed, kernel, work),
            Input::Order { token, order } => self.order(token, &order, kernel, work)?,
            Input::Call(call) => self.call(call, work),
            Input::Report { index, digest } => {
                work.outputs.extend(self.ledger.report(origin, index, digest, self.applied()));
            }
            Input::Open { conn, .. }
            | Input::Data { conn, .. }
            | Input::HalfClose { conn, .. }
            | Input::Reset { conn }
            | Input::Acked { conn, .. } => match conn.console_pid() {
                Some(pid) => self.console(pid, input, kernel, work),
                // A node speaks for the streams of its own boot and for no others.
                None if (conn.node(), conn.boot()) == (Some(origin), boot) => {
                    self.nat.admit(input, &mut Between { kernel, work });
                }
                None => {}
            },
        }
        Ok(())
    }

    fn boot(&mut self, node: NodeId, nonce: u64, kernel: &mut Kernel, work: &mut Work) {
        let Some(booted) = self.origins.boot(node, nonce) else { return };
        work.events = true;
        if let Some(over) = booted.over {
            self.boot_over(node, over, kernel, work);
        }
        work.outputs.push(Output::Booted { node, boot: booted.boot, nonce });
    }

    fn boot_over(&mut self, node: NodeId, boot: BootNo, kernel: &mut Kernel, work: &mut Work) {
        self.nat.node_over(node, boot, &mut Between { kernel, work });
        work.outputs.push(Output::BootOver { node, boot });
    }

    /// Something for a process's standard input. Any node may send it; offsets are checked as for a connection.
    fn console(&mut self, pid: Pid, input: Input, kernel: &mut Kernel, work: &mut Work) {
        let Some(stdin) = self.stdin.get_mut(&pid) else { return };
        let checked: Result<(), Violation> = match input {
            Input::Data { offset, mut bytes, .. } => stdin.receive(offset, bytes.len()).map(|repeated| {
                bytes.drain(..repeated);
                if !bytes.is_empty() {
                    kernel.deliver_stdin(pid, bytes);
                }
            }),
            Input::HalfClose { offset, .. } => stdin.end(offset).map(|news| {
                if news {
                    kernel.end_stdin(pid);
                }
            }),
            // Whoever typed is gone: the program reads to the end of what came.
            Input::Reset { .. } => {
                let received = stdin.received();
                stdin.end(received).map(|_| kernel.end_stdin(pid))
            }
            _ => Ok(()),
        };
        if let Err(violation) = checked {
            work.outputs.push(Output::Refused { conn: ConnId::console(pid), why: violation.into() });
        }
    }
}
