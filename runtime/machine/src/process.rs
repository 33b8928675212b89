//! How processes begin and end.

use crate::guest::GuestLoader;
use crate::machine::{Fault, Machine, Work};
use crate::sides::Between;
use replicode_log::{Digest, ExitStatus, Output, Pid, ProgramSpec, Refusal, Spawn};
use replicode_nat::Intake;
use replicode_syscalls::{Kernel, ProcessSpec};

impl<L: GuestLoader> Machine<L> {
    /// Starts the programs that start with the cell, in the configuration's order.
    pub(crate) fn start_programs(&mut self, kernel: &mut Kernel, work: &mut Work) -> Result<(), Fault> {
        let programs: Vec<_> = self.config.programs.iter().filter(|program| program.at_genesis).cloned().collect();
        for program in programs {
            self.start(program, kernel, work)?;
        }
        Ok(())
    }

    /// Starts one more process of a program that the configuration knows.
    pub(crate) fn spawn(&mut self, spawn: Spawn, kernel: &mut Kernel, work: &mut Work) -> Result<(), Fault> {
        let Some(program) = self.config.program(&spawn.program) else {
            work.outputs.push(refused());
            return Ok(());
        };
        let mut program = program.clone();
        program.args = spawn.args.unwrap_or(program.args);
        program.env = spawn.env.unwrap_or(program.env);
        program.stdin = spawn.stdin;
        self.start(program, kernel, work)
    }

    fn start(&mut self, program: ProgramSpec, kernel: &mut Kernel, work: &mut Work) -> Result<(), Fault> {
        let ProgramSpec { name, module, args, env, stdin, listeners, .. } = program;
        let seed = self.seed(work.header.seed);
        let spec = ProcessSpec { name: name.clone(), args, env, stdin, listeners, seed };
        let Ok(pid) = kernel.spawn(spec) else {
            work.outputs.push(refused());
            return Ok(());
        };
        self.started += 1;
        let guest = self.loader.start(pid, module).map_err(|why| Fault::Load { pid, why })?;
        self.guests.insert(pid, guest);
        if stdin {
            self.stdin.insert(pid, Intake::new(self.config.limits.recv_window.into()));
        }
        self.nat.process_started(pid, &name);
        work.outputs.push(Output::Started { pid, name });
        // Its listeners open now, so that a client whose connection comes later in this batch finds them.
        self.pump(kernel, work);
        Ok(())
    }

    /// Seed of the next process: from the leader's entropy, the process's number among all that were started, and the
    /// cell, so that no two processes of any two cells share one.
    fn seed(&self, batch_seed: u64) -> [u8; 32] {
        let pieces: [&[u8]; 3] = [b"process seed", &batch_seed.to_le_bytes(), &self.started.to_le_bytes()];
        *Digest::chain(self.config_digest, &pieces).bytes()
    }

    /// Ends a process: its descriptors are closed, its connections end, and whoever waits for it learns it.
    pub(crate) fn end_process(&mut self, pid: Pid, status: ExitStatus, kernel: &mut Kernel, work: &mut Work) {
        if self.guests.remove(&pid).is_none() {
            return;
        }
        kernel.exit(pid, status);
        self.pump(kernel, work);
        self.nat.process_ended(pid, &mut Between { kernel, work });
        self.stdin.remove(&pid);
        work.outputs.push(Output::Exited { pid, status });
    }
}

/// A process could not be started. It has no stream that the refusal could be about: process 0 does not exist, so its
/// standard input stands for none.
const fn refused() -> Output {
    Output::Refused { conn: replicode_log::ConnId::console(Pid(0)), why: Refusal::Spawn }
}
