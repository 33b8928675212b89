//! The program that a `run` is about: the run ends when it does, and starts it anew when the log says that it had ended.

use super::stdin::{StdinPump, StdinState};
use anyhow::{Context, Result, bail};
use replicode_log::{Batch, ConnId, ExitStatus, Input, Output, Pid, ProgramSpec, Refusal, Spawn};
use replicode_replication::Replica;

/// Follows the main program through the log.
pub struct MainProgram {
    /// As asked for on the command line.
    wanted: ProgramSpec,
    /// As the configuration has it.
    recorded: ProgramSpec,
    window: u64,
    /// The live process, with its standard input; none when it has ended or was never started.
    process: Option<StdinState>,
    /// What it was started with, as far as a [`Spawn`] changed it.
    running_as: (Vec<String>, Vec<(String, String)>),
    /// What spawns in the batch at hand ask for, in order.
    spawns: Vec<Spawn>,
    pump: Option<StdinPump>,
    live: bool,
    /// The process that ended last, and how.
    last: Option<(Pid, ExitStatus)>,
    /// It is to be followed by another one.
    followed: bool,
    /// The process that follows it, which is about to be started.
    successor: Option<Pid>,
    /// How the program has ended in this run, once it has.
    end: Option<ExitStatus>,
    /// Why a process could not be started in the batch at hand.
    refusal: Option<String>,
}

impl MainProgram {
    /// The program as the configuration has it, and as the command line wants it now.
    #[must_use]
    pub fn new(recorded: &ProgramSpec, args: Vec<String>, env: Vec<(String, String)>, window: u32) -> Self {
        Self {
            wanted: ProgramSpec { args, env, ..recorded.clone() },
            recorded: recorded.clone(),
            window: window.into(),
            process: None,
            running_as: (recorded.args.clone(), recorded.env.clone()),
            spawns: Vec::new(),
            pump: None,
            live: false,
            last: None,
            followed: false,
            successor: None,
            end: None,
            refusal: None,
        }
    }

    /// Looks at a batch before it is applied.
    pub fn before(&mut self, batch: &Batch) {
        for input in batch.sections.iter().flat_map(|section| &section.inputs) {
            if let Input::Spawn(spawn) = input
                && spawn.program == self.recorded.name
            {
                self.spawns.push(spawn.clone());
            }
            if let Some(process) = &mut self.process {
                process.recorded(input);
            }
        }
    }

    /// Why a process could not be started in the batch whose outputs come next.
    pub fn refused(&mut self, why: Option<String>) {
        self.refusal = why;
    }

    /// Looks at an output.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn output(&mut self, output: &Output, live: bool, replica: &Replica) -> Result<()> {
        match output {
            Output::Started { pid, .. } if self.successor == Some(*pid) => {
                // Its standard input is at its end, and it has the arguments of the one before.
                let stdin = StdinState { ended: true, ..StdinState::new(*pid, self.window) };
                (self.process, self.successor, self.followed) = (Some(stdin), None, false);
            }
            Output::Started { pid, name } if *name == self.recorded.name => {
                if !self.spawns.is_empty() {
                    let spawn = self.spawns.remove(0);
                    let args = spawn.args.unwrap_or_else(|| self.recorded.args.clone());
                    self.running_as = (args, spawn.env.unwrap_or_else(|| self.recorded.env.clone()));
                }
                if self.process.is_none() {
                    self.process = Some(StdinState::new(*pid, self.window));
                }
                if self.live {
                    self.start_pump(replica)?;
                }
            }
            Output::Exited { pid, status } if self.pid() == Some(*pid) => {
                self.process = None;
                if let Some(pump) = self.pump.take() {
                    pump.close();
                }
                self.last = Some((*pid, *status));
                self.end = live.then_some(*status);
            }
            Output::Restarting { pid, .. } if self.ended_last(*pid) => (self.followed, self.end) = (true, None),
            Output::Restarted { pid, by } if self.ended_last(*pid) => self.successor = Some(*by),
            Output::NotRestarting { pid } if self.ended_last(*pid) => {
                self.followed = false;
                self.end = self.last.map(|(_, status)| status).filter(|_| live);
            }
            Output::Credit { conn, limit } if self.pid().is_some_and(|pid| *conn == ConnId::console(pid)) => {
                if let Some(process) = &mut self.process {
                    process.limit = process.limit.max(*limit);
                }
                if let Some(pump) = &self.pump {
                    pump.credit(*limit);
                }
            }
            Output::Refused { why: Refusal::Spawn, .. } if live => match &self.refusal {
                Some(why) => bail!("{why}; limits cannot be changed in a cell: make a new one"),
                None => bail!("'{}' cannot be started", self.recorded.name),
            },
            _ => {}
        }
        Ok(())
    }

    /// How the program has ended in this run, once it has and nothing is to follow.
    pub const fn take_end(&mut self) -> Option<ExitStatus> {
        self.end.take()
    }

    fn ended_last(&self, pid: Pid) -> bool {
        self.last.is_some_and(|(last, _)| last == pid)
    }

    /// After a batch.
    pub fn after(&mut self) {
        self.spawns.clear();
    }

    /// This start of the node has been admitted: the program goes on, or is started anew.
    ///
    /// # Errors
    /// When the program still runs, with other arguments than those asked for now.
    pub fn admitted(&mut self, replica: &Replica) -> Result<()> {
        self.live = true;
        let (args, env) = (&self.wanted.args, &self.wanted.env);
        if self.process.is_none() && self.followed {
            return Ok(());
        }
        if self.process.is_none() {
            let (args, env) = (Some(args.clone()), Some(env.clone()));
            let spawn = Spawn { program: self.recorded.name.clone(), args, env, stdin: true };
            replica.offer(&mut vec![Input::Spawn(spawn)]);
            return Ok(());
        }
        if (args, env) != (&self.running_as.0, &self.running_as.1) {
            bail!(
                "'{}' still runs in this recording, with arguments {:?} and environment {:?}; it cannot be given {args:?} \
                 and {env:?} now. Start it with the recorded ones, or record to another --data directory",
                self.recorded.name,
                self.running_as.0,
                self.running_as.1
            );
        }
        self.start_pump(replica)
    }

    fn pid(&self) -> Option<Pid> {
        self.process.map(|process| process.pid)
    }

    fn start_pump(&mut self, replica: &Replica) -> Result<()> {
        if let Some(process) = self.process
            && !process.ended
            && self.pump.is_none()
        {
            let pump =
                StdinPump::start(process, replica.clone()).context("cannot start a thread for standard input")?;
            self.pump = Some(pump);
        }
        Ok(())
    }
}
