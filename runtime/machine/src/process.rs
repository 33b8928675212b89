//! How processes begin and end.

use crate::guest::GuestLoader;
use crate::machine::{Fault, Machine, Note, Work};
use crate::restart::Launch;
use crate::sides::Between;
use replicode_log::{Digest, ExitStatus, Output, Pid, ProgramSpec, Refusal, Spawn};
use replicode_nat::Intake;
use replicode_syscalls::{Kernel, ProcessSpec, SpawnError};

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
        let name = program.name.clone();
        if let Err(why) = self.launch(program, 0, kernel, work)? {
            work.notes.push(Note { pid: Pid(0), text: format!("'{name}' cannot be started: {why}") });
            work.outputs.push(refused());
        }
        Ok(())
    }

    /// Starts the successors whose time has come. One for which there is no room is put off.
    pub(crate) fn start_successors(&mut self, kernel: &mut Kernel, work: &mut Work) -> Result<(), Fault> {
        let now = work.header.time;
        while let Some(due) = self.restarts.take_due(now) {
            work.events = true;
            let announced = work.outputs.len();
            match self.launch(due.program.clone(), due.failures, kernel, work)? {
                Ok(by) => work.outputs.insert(announced, Output::Restarted { pid: due.pid, by }),
                Err(_) => {
                    let pid = due.pid;
                    let (at, failures) = self.restarts.put_off(due, now);
                    work.outputs.push(Output::Restarting { pid, at, failures });
                }
            }
        }
        Ok(())
    }

    /// Starts a process after so many failures of its predecessors; the inner error is why the kernel cannot.
    pub(crate) fn launch(
        &mut self,
        program: ProgramSpec,
        failures: u32,
        kernel: &mut Kernel,
        work: &mut Work,
    ) -> Result<Result<Pid, SpawnError>, Fault> {
        let launch = Launch { program: program.clone(), at: work.header.time, failures };
        let ProgramSpec { name, module, args, env, stdin, listeners, .. } = program;
        let seed = self.seed(work.header.seed);
        let spec = ProcessSpec { name: name.clone(), args, env, stdin, listeners, seed };
        let pid = match kernel.spawn(spec) {
            Ok(pid) => pid,
            Err(why) => return Ok(Err(why)),
        };
        self.started += 1;
        let guest = self.loader.start(pid, module).map_err(|why| Fault::Load { pid, why })?;
        self.guests.insert(pid, guest);
        self.restarts.started(pid, launch);
        if stdin {
            self.stdin.insert(pid, Intake::new(self.config.limits.recv_window.into()));
        }
        self.nat.process_started(pid, &name);
        work.outputs.push(Output::Started { pid, name });
        // Its listeners open now, so that a client whose connection comes later in this batch finds them.
        self.pump(kernel, work);
        Ok(Ok(pid))
    }

    /// Seed of the next process: from the leader's entropy, the process's number among all that were started, and the
    /// cell, so that no two processes of any two cells share one.
    fn seed(&self, batch_seed: u64) -> [u8; 32] {
        let pieces: [&[u8]; 3] = [b"process seed", &batch_seed.to_le_bytes(), &self.started.to_le_bytes()];
        *Digest::chain(self.config_digest, &pieces).bytes()
    }

    /// Ends a process: its descriptors are closed, its connections end, its memory goes back to the host, and whoever
    /// waits for it learns it. If its program is to be started anew, that is planned.
    pub(crate) fn end_process(&mut self, pid: Pid, status: ExitStatus, kernel: &mut Kernel, work: &mut Work) {
        if self.guests.remove(&pid).is_none() {
            return;
        }
        kernel.exit(pid, status);
        self.pump(kernel, work);
        self.nat.process_ended(pid, &mut Between { kernel, work });
        self.stdin.remove(&pid);
        work.outputs.push(Output::Exited { pid, status });
        if let Some(mut launch) = self.restarts.ended(pid)
            && launch.program.restart.applies_to(status)
        {
            // What was typed for the one that has ended is not meant for its successor.
            launch.program.stdin = false;
            let (at, failures) = self.restarts.plan(pid, launch, work.header.time);
            work.outputs.push(Output::Restarting { pid, at, failures });
        }
    }
}

/// A process could not be started. It has no stream that the refusal could be about: process 0 does not exist, so its
/// standard input stands for none.
const fn refused() -> Output {
    Output::Refused { conn: replicode_log::ConnId::console(Pid(0)), why: Refusal::Spawn }
}
