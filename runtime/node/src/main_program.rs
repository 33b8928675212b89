//! The program that a `run` is about: the run ends when it does, and starts it anew when the log says that it had ended.

use replicode_log::{Batch, ConnId, ExitStatus, Input, Output, Pid, ProgramSpec, Refusal, Spawn};
use std::collections::VecDeque;

/// What the log says about a standard input: how much came, and how much may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StdinState {
    /// The process that reads it.
    pub pid: Pid,
    /// Bytes that are in the log already.
    pub received: u64,
    /// First position that may not be sent yet.
    pub limit: u64,
    /// The end is in the log.
    pub ended: bool,
}

impl StdinState {
    /// A process that has just been started; `window` bytes may be sent before the first credit.
    #[must_use]
    pub const fn new(pid: Pid, window: u64) -> Self {
        Self { pid, received: 0, limit: window, ended: false }
    }

    /// Follows the stream through a recorded input. Whatever is in the log counts, whichever start of the node sent it.
    pub fn recorded(&mut self, input: &Input) {
        match input {
            Input::Data { conn, offset, bytes } if *conn == ConnId::console(self.pid) => {
                self.received = self.received.max(offset + bytes.len() as u64);
            }
            Input::HalfClose { conn, .. } if *conn == ConnId::console(self.pid) => self.ended = true,
            _ => {}
        }
    }
}

/// Something to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The log is asked to start the program.
    Offer(Input),
    /// From here on our own standard input is the process's.
    OpenStdin(StdinState),
    /// Of it, bytes up to here may be sent.
    Credit(u64),
    /// Nobody reads it any more.
    CloseStdin,
}

/// Follows the main program through the log.
///
/// For each batch, in this order: [`MainProgram::handle_batch`] before it is applied, [`MainProgram::handle_refusal`] if a
/// process could not be started in it, [`MainProgram::handle_output`] for each output, [`MainProgram::take_end`],
/// [`MainProgram::handle_done`]. [`MainProgram::handle_admitted`] once this start of the node is admitted. After any of
/// them, [`MainProgram::poll_order`] until there is none.
#[derive(Debug)]
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
    spawns: VecDeque<Spawn>,
    /// Our own standard input is its.
    fed: bool,
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
    orders: VecDeque<Order>,
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
            spawns: VecDeque::new(),
            fed: false,
            live: false,
            last: None,
            followed: false,
            successor: None,
            end: None,
            refusal: None,
            orders: VecDeque::new(),
        }
    }

    /// A batch is about to be applied.
    pub fn handle_batch(&mut self, batch: &Batch) {
        for input in batch.sections.iter().flat_map(|section| &section.inputs) {
            if let Input::Spawn(spawn) = input
                && spawn.program == self.recorded.name
            {
                self.spawns.push_back(spawn.clone());
            }
            if let Some(process) = &mut self.process {
                process.recorded(input);
            }
        }
    }

    /// Why a process could not be started in the batch whose outputs come next, if one could not.
    pub fn handle_refusal(&mut self, why: Option<String>) {
        self.refusal = why;
    }

    /// An output of the batch. `live`: it was not executed by an earlier start.
    ///
    /// # Errors
    /// When the program cannot be started: why, for whoever wanted it.
    pub fn handle_output(&mut self, output: &Output, live: bool) -> Result<(), String> {
        match output {
            Output::Started { pid, .. } if self.successor == Some(*pid) => {
                // Its standard input is at its end, and it has the arguments of the one before.
                let stdin = StdinState { ended: true, ..StdinState::new(*pid, self.window) };
                (self.process, self.successor, self.followed) = (Some(stdin), None, false);
            }
            Output::Started { pid, name } if *name == self.recorded.name => {
                if let Some(spawn) = self.spawns.pop_front() {
                    let args = spawn.args.unwrap_or_else(|| self.recorded.args.clone());
                    self.running_as = (args, spawn.env.unwrap_or_else(|| self.recorded.env.clone()));
                }
                if self.process.is_none() {
                    self.process = Some(StdinState::new(*pid, self.window));
                }
                if self.live {
                    self.feed();
                }
            }
            Output::Exited { pid, status } if self.pid() == Some(*pid) => {
                self.process = None;
                if std::mem::take(&mut self.fed) {
                    self.orders.push_back(Order::CloseStdin);
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
                if self.fed {
                    self.orders.push_back(Order::Credit(*limit));
                }
            }
            Output::Refused { why: Refusal::Spawn, .. } if live => {
                return Err(match &self.refusal {
                    Some(why) => format!("{why}; limits cannot be changed in a cell: make a new one"),
                    None => format!("'{}' cannot be started", self.recorded.name),
                });
            }
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

    /// The batch has been applied, and its outputs have been seen.
    pub fn handle_done(&mut self) {
        self.spawns.clear();
    }

    /// This start of the node has been admitted: the program goes on, or is started anew.
    ///
    /// # Errors
    /// When the program still runs, with other arguments than those asked for now.
    pub fn handle_admitted(&mut self) -> Result<(), String> {
        self.live = true;
        let (args, env) = (&self.wanted.args, &self.wanted.env);
        if self.process.is_none() && self.followed {
            return Ok(());
        }
        if self.process.is_none() {
            let (args, env) = (Some(args.clone()), Some(env.clone()));
            let spawn = Spawn { program: self.recorded.name.clone(), args, env, stdin: true };
            self.orders.push_back(Order::Offer(Input::Spawn(spawn)));
            return Ok(());
        }
        if (args, env) != (&self.running_as.0, &self.running_as.1) {
            return Err(format!(
                "'{}' still runs in this recording, with arguments {:?} and environment {:?}; it cannot be given {args:?} \
                 and {env:?} now. Start it with the recorded ones, or record to another --data directory",
                self.recorded.name, self.running_as.0, self.running_as.1
            ));
        }
        self.feed();
        Ok(())
    }

    /// What is to be done next.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    fn pid(&self) -> Option<Pid> {
        self.process.map(|process| process.pid)
    }

    fn feed(&mut self) {
        if let Some(process) = self.process
            && !process.ended
            && !std::mem::replace(&mut self.fed, true)
        {
            self.orders.push_back(Order::OpenStdin(process));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchHeader, BatchIndex, BootNo, Digest, LogicalTime, NodeId, Restart, Section};

    const WINDOW: u32 = 64;

    fn spec(args: &[&str]) -> ProgramSpec {
        ProgramSpec {
            name: "web".into(),
            module: Digest::ZERO,
            args: args.iter().map(ToString::to_string).collect(),
            env: vec![],
            stdin: true,
            listeners: vec![],
            at_genesis: true,
            restart: Restart::Never,
        }
    }

    fn program(recorded: &[&str], wanted: &[&str]) -> MainProgram {
        MainProgram::new(&spec(recorded), spec(wanted).args, vec![], WINDOW)
    }

    fn batch(inputs: Vec<Input>) -> Batch {
        let header = BatchHeader { index: BatchIndex(1), time: LogicalTime::GENESIS, seed: 0, parent: Digest::ZERO };
        let origin = NodeId::new(1).expect("valid");
        Batch { header, sections: vec![Section { origin, boot: BootNo(1), first_seq: 1, inputs }] }
    }

    fn started(pid: u32) -> Output {
        Output::Started { pid: Pid(pid), name: "web".into() }
    }

    fn exited(pid: u32) -> Output {
        Output::Exited { pid: Pid(pid), status: ExitStatus::Killed }
    }

    fn orders(program: &mut MainProgram) -> Vec<Order> {
        std::iter::from_fn(|| program.poll_order()).collect()
    }

    #[test]
    fn it_goes_on_where_the_log_says_that_it_runs() {
        let mut program = program(&["web", "-v"], &["web", "-v"]);
        let conn = ConnId::console(Pid(1));
        program.handle_batch(&batch(vec![]));
        assert_eq!(program.handle_output(&started(1), false), Ok(()));
        program.handle_batch(&batch(vec![Input::Data { conn, offset: 0, bytes: vec![7; 10] }]));
        assert_eq!(program.handle_output(&Output::Credit { conn, limit: 74 }, false), Ok(()));
        assert_eq!(orders(&mut program), [], "what is in the log already needs nothing done");
        assert_eq!(program.handle_admitted(), Ok(()));
        let stdin = StdinState { pid: Pid(1), received: 10, limit: 74, ended: false };
        assert_eq!(orders(&mut program), [Order::OpenStdin(stdin)]);
        assert_eq!(program.handle_output(&Output::Credit { conn, limit: 80 }, true), Ok(()));
        assert_eq!(program.handle_output(&exited(1), true), Ok(()));
        assert_eq!(orders(&mut program), [Order::Credit(80), Order::CloseStdin]);
        assert_eq!((program.take_end(), program.take_end()), (Some(ExitStatus::Killed), None));
    }

    #[test]
    fn one_that_had_ended_is_started_anew_as_it_is_wanted_now() {
        let mut program = program(&["web"], &["web", "--port", "80"]);
        assert_eq!(program.handle_output(&started(1), false), Ok(()));
        assert_eq!(program.handle_output(&exited(1), false), Ok(()));
        assert_eq!(program.take_end(), None, "that end was another run's");
        assert_eq!(program.handle_admitted(), Ok(()));
        let args = Some(spec(&["web", "--port", "80"]).args);
        let spawn = Spawn { program: "web".into(), args: args.clone(), env: Some(vec![]), stdin: true };
        assert_eq!(orders(&mut program), [Order::Offer(Input::Spawn(spawn.clone()))]);
        program.handle_batch(&batch(vec![Input::Spawn(spawn)]));
        assert_eq!(program.handle_output(&started(2), true), Ok(()));
        program.handle_done();
        assert_eq!(orders(&mut program), [Order::OpenStdin(StdinState::new(Pid(2), WINDOW.into()))]);
        // The next start of the node wants the same, and finds it running so.
        assert_eq!(program.handle_admitted(), Ok(()));
        assert_eq!(orders(&mut program), []);
    }

    #[test]
    fn one_that_runs_otherwise_than_it_is_wanted_is_left_alone() {
        let mut program = program(&["web"], &["web", "-v"]);
        assert_eq!(program.handle_output(&started(1), false), Ok(()));
        let why = program.handle_admitted().expect_err("its arguments cannot be changed");
        assert!(why.starts_with("'web' still runs in this recording, with arguments [\"web\"]"), "{why}");
        assert_eq!(orders(&mut program), []);
    }

    #[test]
    fn an_end_that_is_followed_by_another_process_is_no_end_of_the_run() {
        let mut program = program(&["web"], &["web"]);
        assert_eq!(program.handle_output(&started(1), false), Ok(()));
        assert_eq!(program.handle_admitted(), Ok(()));
        assert_eq!(program.handle_output(&exited(1), true), Ok(()));
        let at = LogicalTime::from_nanos(5);
        assert_eq!(program.handle_output(&Output::Restarting { pid: Pid(1), at, failures: 1 }, true), Ok(()));
        assert_eq!(program.take_end(), None);
        assert_eq!(program.handle_output(&Output::Restarted { pid: Pid(1), by: Pid(2) }, true), Ok(()));
        assert_eq!(program.handle_output(&started(2), true), Ok(()));
        assert_eq!(orders(&mut program).len(), 2, "its standard input was opened, and closed with the first one");
        assert_eq!(program.handle_output(&exited(2), true), Ok(()));
        assert_eq!(program.take_end(), Some(ExitStatus::Killed));
    }

    #[test]
    fn what_cannot_be_started_ends_the_run_with_the_reason() {
        let mut program = program(&["web"], &["web"]);
        let refused = Output::Refused { conn: ConnId::console(Pid(0)), why: Refusal::Spawn };
        assert_eq!(program.handle_output(&refused, false), Ok(()), "an earlier start was told");
        assert_eq!(program.handle_output(&refused, true), Err("'web' cannot be started".into()));
        program.handle_refusal(Some("it is too large".into()));
        let why = "it is too large; limits cannot be changed in a cell: make a new one";
        assert_eq!(program.handle_output(&refused, true), Err(why.into()));
    }

    #[test]
    fn the_record_of_a_stream_is_followed() {
        let mut state = StdinState::new(Pid(1), 64);
        let own = ConnId::console(Pid(1));
        let other = ConnId::console(Pid(2));
        for (conn, offset) in [(own, 0), (own, 3), (own, 0), (other, 100)] {
            state.recorded(&Input::Data { conn, offset, bytes: vec![0; 3] });
        }
        state.recorded(&Input::HalfClose { conn: other, offset: 0 });
        assert_eq!(state, StdinState { pid: Pid(1), received: 6, limit: 64, ended: false });
        state.recorded(&Input::HalfClose { conn: own, offset: 6 });
        assert!(state.ended);
    }
}
