//! Programs that are started anew, by themselves or by an operator's word.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{Cell, DEAF, ECHO, Flow, Op, boot, config, conn, data, node, open, section, sent};
use replicode_log::{
    Batch, BatchHeader, Digest, ExitStatus, Input, LogicalTime, Order, Ordered, Output, Pid, Restart, Section,
};
use replicode_machine::Applied;
use replicode_syscalls::{Call, ProcessState};

/// Answers one client what it sends, then fails.
const FRAIL: &[Op] = &[
    |sys| sys.accept(4).map(|()| Flow::Next),
    |sys| sys.recv().map(|got| if got > 0 { Flow::Next } else { Flow::Exit(3) }),
    |sys| sys.send().map(|_| Flow::Next),
    |sys| sys.recv().map(|_| Flow::Exit(3)),
];
/// Fails at once.
const DOOMED: &[Op] = &[|_| Ok(Flow::Exit(1))];
/// Ends at once, and well.
const BRIEF: &[Op] = &[];
/// Makes a file, if there is none, and fails; ends well when there is one.
const CAREFUL: &[Op] = &[|sys| {
    sys.put(512, b"mark");
    let (create, exclusive) = (1, 4);
    let open = Call::PathOpen {
        fd: 3,
        lookup: 0,
        path: 512,
        path_len: 4,
        oflags: create | exclusive,
        base: u64::MAX,
        inheriting: 0,
        flags: 0,
        opened: 640,
    };
    sys.call(open).map(|errno| Flow::Exit(u32::from(errno == 0)))
}];

const MS: u64 = 1_000_000;

struct Timed {
    cell: Cell,
    seq: u64,
    now: u64,
}

impl Timed {
    /// A cell whose programs are all started anew as `restart` says.
    fn new(restart: Restart, programs: &[(&'static str, &'static [Op])]) -> Self {
        let names: Vec<_> = programs.iter().map(|(name, _)| *name).collect();
        let mut config = config(&names);
        config.programs.iter_mut().for_each(|program| program.restart = restart);
        Self::with(&config, programs)
    }

    fn with(config: &replicode_log::ClusterConfig, programs: &[(&'static str, &'static [Op])]) -> Self {
        let mut timed = Self { cell: Cell::with(config, programs), seq: 1, now: 0 };
        timed.apply(MS, vec![boot(1, 11)]);
        timed
    }

    fn apply(&mut self, now: u64, sections: Vec<Section>) -> Applied {
        self.now = now;
        let (index, time) = (self.cell.machine.applied().next(), LogicalTime::from_nanos(now));
        let batch = Batch { header: BatchHeader { index, time, seed: 1, parent: Digest::ZERO }, sections };
        let content = Digest::of(&batch.encode());
        self.cell.machine.apply(batch, content).unwrap()
    }

    fn say(&mut self, now: u64, inputs: Vec<Input>) -> Applied {
        let first = self.seq;
        self.seq += inputs.len() as u64;
        self.apply(now, vec![section(1, 1, first, inputs)])
    }

    /// The next batch that comes by itself, if one does.
    fn tick(&mut self) -> Option<Applied> {
        let due = self.cell.machine.next_deadline()?;
        Some(self.apply(due.nanos(), Vec::new()))
    }

    fn order(&mut self, order: Order) -> Ordered {
        let token = self.seq + 1000;
        let applied = self.say(self.now + MS, vec![Input::Order { token, order }]);
        let answers = applied.outputs.into_iter().filter_map(|output| match output {
            Output::Ordered { token: asked, outcome } if asked == token => Some(outcome),
            _ => None,
        });
        let answers: Vec<_> = answers.collect();
        assert_eq!(answers.len(), 1);
        answers[0].clone()
    }

    fn live(&self) -> Vec<u32> {
        let live = self.cell.machine.processes().filter(|it| !matches!(it.state, ProcessState::Exited(_)));
        live.map(|it| it.pid.0).collect()
    }
}

fn start(program: &str) -> Order {
    Order::Start { program: program.into() }
}

fn kill(program: &str) -> Order {
    Order::Kill { program: program.into() }
}

/// What was said about ends and starts.
fn told(applied: &Applied) -> Vec<Output> {
    let about = |output: &&Output| {
        matches!(
            output,
            Output::Exited { .. } | Output::Restarting { .. } | Output::Restarted { .. } | Output::Started { .. }
        )
    };
    applied.outputs.iter().filter(about).cloned().collect()
}

#[test]
fn clients_are_served_again_after_a_moment() {
    let run = || {
        let mut cell = Timed::new(Restart::OnFailure, &[("main", FRAIL)]);
        let (first, waiting, second) = (conn(1, 1, 1), conn(1, 1, 2), conn(1, 1, 3));
        let mut all = vec![cell.say(2 * MS, vec![open(first, "main"), open(waiting, "main"), data(first, 0, b"one")])];
        assert_eq!(sent(&all[0].outputs, first), "one");
        assert_eq!(all[0].next_deadline, None);
        let ended = cell.say(5 * MS, vec![Input::HalfClose { conn: first, offset: 3 }]);
        let at = LogicalTime::from_nanos(105 * MS);
        assert_eq!(
            told(&ended),
            [
                Output::Exited { pid: Pid(1), status: ExitStatus::Code(3) },
                Output::Restarting { pid: Pid(1), at, failures: 1 }
            ]
        );
        assert!(ended.outputs.contains(&Output::Reset { conn: waiting }));
        assert_eq!(ended.next_deadline, Some(at));
        assert_eq!(cell.cell.machine.restarts().collect::<Vec<_>>(), [("main", at)]);
        // Too early: the client is turned away, and the start does not come sooner.
        let early = cell.say(50 * MS, vec![open(second, "main")]);
        assert!(matches!(early.outputs[..], [Output::Refused { conn, .. }] if conn == second));
        assert_eq!(early.next_deadline, Some(at));
        let again = cell.tick().unwrap();
        let name = "main".to_string();
        assert_eq!(
            told(&again),
            [Output::Restarted { pid: Pid(1), by: Pid(2) }, Output::Started { pid: Pid(2), name }]
        );
        assert_eq!((again.next_deadline, again.had_events), (None, true));
        let third = conn(1, 1, 4);
        let served = cell.say(200 * MS, vec![open(third, "main"), data(third, 0, b"two")]);
        assert_eq!(sent(&served.outputs, third), "two");
        all.extend([ended, early, again, served]);
        all
    };
    assert_eq!(run(), run(), "the same everywhere, and at replay");
}

#[test]
fn a_crash_loop_pauses_longer_and_longer_and_a_long_run_ends_it() {
    let mut cell = Timed::new(Restart::OnFailure, &[("main", DOOMED), ("other", ECHO)]);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let before = cell.now;
        let applied = cell.tick().unwrap();
        pauses.push((cell.now - before) / MS);
        assert_eq!(told(&applied).len(), 4, "{applied:?}");
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    assert_eq!(cell.live(), [2], "the other one is not disturbed");
}

#[test]
fn each_policy_has_its_ends() {
    let cases: [(Restart, &'static [Op], bool); 6] = [
        (Restart::Never, DOOMED, false),
        (Restart::Never, BRIEF, false),
        (Restart::OnFailure, DOOMED, true),
        (Restart::OnFailure, BRIEF, false),
        (Restart::Always, DOOMED, true),
        (Restart::Always, BRIEF, true),
    ];
    for (policy, program, again) in cases {
        let mut cell = Timed::new(policy, &[("main", program)]);
        assert_eq!(cell.tick().is_some(), again, "{policy}");
    }
}

#[test]
fn files_are_kept() {
    let mut cell = Timed::new(Restart::OnFailure, &[("main", CAREFUL)]);
    // One more than a cell begins with.
    let given = Timed::new(Restart::OnFailure, &[("main", &[])]);
    let nodes = |cell: &Timed| cell.cell.machine.files().map(|files| files.usage().nodes);
    assert_eq!(nodes(&cell), nodes(&given).map(|nodes| nodes + 1));
    let again = cell.tick().unwrap();
    assert!(again.outputs.contains(&Output::Exited { pid: Pid(2), status: ExitStatus::Code(0) }));
    assert!(cell.tick().is_none());
}

#[test]
fn a_successor_without_room_is_put_off() {
    let mut config = config(&["main", "other"]);
    config.limits.processes = 2;
    config.programs[0].restart = Restart::OnFailure;
    config.programs[1].at_genesis = false;
    let mut cell = Timed::with(&config, &[("main", DOOMED), ("other", DEAF)]);
    // Two of the others take both places meanwhile.
    let spawn = || Input::Spawn(replicode_log::Spawn { program: "other".into(), args: None, env: None, stdin: false });
    cell.say(2 * MS, vec![spawn(), spawn()]);
    let full = cell.tick().unwrap();
    let at = LogicalTime::from_nanos(cell.now + 200 * MS);
    assert_eq!(told(&full), [Output::Restarting { pid: Pid(1), at, failures: 2 }]);
    assert_eq!(cell.order(start("main")), Ordered::Full);
    cell.say(cell.now + MS, vec![Input::Kill { pid: Pid(2) }]);
    let again = cell.tick().unwrap();
    assert_eq!(told(&again)[0], Output::Restarted { pid: Pid(1), by: Pid(4) });
}

#[test]
fn operators_start_and_kill() {
    let mut cell = Timed::new(Restart::Always, &[("main", ECHO), ("brief", BRIEF)]);
    assert_eq!(cell.order(start("tea")), Ordered::Unknown);
    assert_eq!(cell.order(kill("tea")), Ordered::Unknown);
    assert_eq!(cell.order(start("main")), Ordered::Runs { pid: Pid(1) });
    assert_eq!(cell.order(kill("main")), Ordered::Done { pids: vec![Pid(1)] });
    assert_eq!(cell.order(kill("main")), Ordered::RunsNot);
    // It stays so: only the other one comes again.
    for _ in 0..5 {
        cell.tick().unwrap();
    }
    assert_eq!(cell.live(), Vec::<u32>::new());
    let next = cell.cell.machine.processes().count() as u32 + 1;
    assert_eq!(cell.order(start("main")), Ordered::Done { pids: vec![Pid(next)] });
    assert_eq!(cell.live(), [next]);
    let client = conn(1, 1, 1);
    let served = cell.say(cell.now + MS, vec![open(client, "main"), data(client, 0, b"hello")]);
    assert_eq!(sent(&served.outputs, client), "hello");

    // One that waits for its pause to be over can be called off, and started at once with its count begun anew.
    assert!(cell.cell.machine.next_deadline().is_some());
    assert_eq!(cell.order(kill("brief")), Ordered::Forgotten);
    assert_eq!(cell.cell.machine.next_deadline(), None);
    assert_eq!(cell.order(start("brief")), Ordered::Done { pids: vec![Pid(next + 1)] });
    let due = cell.cell.machine.next_deadline().unwrap();
    assert_eq!(due.nanos(), cell.now + 100 * MS);
    // And while it waits, started sooner: there is one of it then, not two.
    assert_eq!(cell.order(start("brief")), Ordered::Done { pids: vec![Pid(next + 2)] });
    assert_eq!(cell.cell.machine.restarts().count(), 1);
}

#[test]
fn a_repeated_order_is_carried_out_once() {
    let mut cell = Timed::new(Restart::Never, &[("brief", BRIEF)]);
    let order = Input::Order { token: 5, order: start("brief") };
    let once = cell.apply(2 * MS, vec![section(1, 1, 1, vec![order.clone()])]);
    assert_eq!(told(&once).len(), 2);
    let twice = cell.apply(3 * MS, vec![section(1, 1, 1, vec![order])]);
    assert_eq!(told(&twice), []);
    assert_eq!(cell.cell.machine.origin(node(1)).map(|(_, next)| next), Some(2));
}
