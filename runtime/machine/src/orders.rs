//! What operators ask for through the log: start a program, end one.

use crate::guest::GuestLoader;
use crate::machine::{Fault, Machine, Work};
use replicode_log::{ExitStatus, Order, Ordered, Output, ProgramSpec};
use replicode_syscalls::Kernel;

impl<L: GuestLoader> Machine<L> {
    /// Carries an order out, and answers it.
    pub(crate) fn order(
        &mut self,
        token: u64,
        order: &Order,
        kernel: &mut Kernel,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let outcome = match order {
            Order::Start { program } => self.order_start(program, kernel, work)?,
            Order::Kill { program } => self.order_kill(program, kernel, work),
        };
        work.outputs.push(Output::Ordered { token, outcome });
        Ok(())
    }

    fn order_start(&mut self, name: &str, kernel: &mut Kernel, work: &mut Work) -> Result<Ordered, Fault> {
        let Some(program) = self.config.program(name).cloned() else { return Ok(Ordered::Unknown) };
        if let Some(pid) = self.restarts.running(name).first() {
            return Ok(Ordered::Runs { pid: *pid });
        }
        // Whoever orders a start has seen to what was wrong: the count of failures begins anew. There is nobody who
        // could type something in.
        let announced = work.outputs.len();
        let program = ProgramSpec { stdin: false, ..program };
        let Ok(by) = self.launch(program, 0, kernel, work)? else { return Ok(Ordered::Full) };
        for pid in self.restarts.forget(name) {
            work.outputs.insert(announced, Output::Restarted { pid, by });
        }
        Ok(Ordered::Done { pids: vec![by] })
    }

    fn order_kill(&mut self, name: &str, kernel: &mut Kernel, work: &mut Work) -> Ordered {
        if self.config.program(name).is_none() {
            return Ordered::Unknown;
        }
        let forgotten = self.restarts.forget(name);
        work.outputs.extend(forgotten.iter().map(|pid| Output::NotRestarting { pid: *pid }));
        let pids = self.restarts.running(name);
        for pid in &pids {
            self.end_process(*pid, ExitStatus::Killed, kernel, work);
        }
        match (pids.is_empty(), forgotten.is_empty()) {
            (false, _) => Ordered::Done { pids },
            (true, false) => Ordered::Forgotten,
            (true, true) => Ordered::RunsNot,
        }
    }
}
