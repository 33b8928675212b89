//! Each decision of the core, driven by hand: what happened goes in, what is to be done comes out.

use super::*;
use crate::deed::Parted;
use crate::divergence;
use replicode_log::{
    Batch, BatchHeader, BootNo, ClusterConfig, ConnId, Digest, ExitStatus, FsImage, HostAddr, Limits, LogicalTime,
    ModuleEntry, Output, ProgramSpec, Refusal, Restart, Section, Service, Spawn, codec,
};
use replicode_machine::{Guest, LoadError, Pause};
use replicode_syscalls::Kernel;

/// A program that ends at once, with code 7.
struct Brief;

impl Guest for Brief {
    fn resume(&mut self, kernel: Box<Kernel>) -> (Box<Kernel>, Pause) {
        (kernel, Pause::Exited(ExitStatus::Code(7), None))
    }
}

struct Briefs;

impl GuestLoader for Briefs {
    fn start(&mut self, _: Pid, _: Digest) -> Result<Box<dyn Guest>, LoadError> {
        Ok(Box::new(Brief))
    }
}

fn node(n: u64) -> NodeId {
    NodeId::new(n).expect("valid")
}

fn at(ms: u64) -> Mono {
    Mono::from_nanos(5).plus(Duration::from_millis(ms))
}

fn program() -> ProgramSpec {
    ProgramSpec {
        name: "web".into(),
        module: Digest::ZERO,
        args: vec!["web".into()],
        env: Vec::new(),
        stdin: false,
        listeners: Vec::new(),
        at_genesis: false,
        restart: Restart::Never,
    }
}

fn config(nodes: u64) -> ClusterConfig {
    ClusterConfig {
        cluster: [3; 16],
        name: "test".into(),
        nodes: (1..=nodes).map(node).collect(),
        epoch_unix_ns: 0,
        engine: Digest::ZERO,
        limits: Limits::default(),
        modules: vec![ModuleEntry { digest: Digest::ZERO, name: "web".into() }],
        programs: vec![program()],
        image: Digest::of(&codec::encode(&FsImage::default())),
        made_by: String::new(),
        contracts: None,
    }
}

/// Node 1 of a cluster, and the log that it is given.
struct Bench {
    core: Core<Briefs>,
    now: u64,
}

impl Bench {
    fn of(nodes: u64, main: Option<MainProgram>) -> Self {
        let machine = Machine::new(&config(nodes), &FsImage::default(), Briefs).expect("it fits");
        let console = Console::Host;
        let settings = Settings { node: node(1), node_down_after: Duration::from_secs(3), console, main };
        Self { core: Core::new(settings, machine), now: 0 }
    }

    /// Asked for with nonce 11, and admitted as boot 1.
    fn admitted(nodes: u64) -> Self {
        let mut bench = Self::of(nodes, None);
        assert_eq!(bench.deeds(), [Deed::AskForBoot]);
        bench.core.handle_asked(11);
        bench.batch(vec![boot(1, 11)]);
        bench
    }

    fn deeds(&mut self) -> Vec<Deed> {
        std::iter::from_fn(|| self.core.poll_deed()).collect()
    }

    fn batch(&mut self, sections: Vec<Section>) -> Vec<Deed> {
        let index = self.core.machine().applied().next();
        let time = LogicalTime::from_nanos(index.0 * 1_000_000);
        let header = BatchHeader { index, time, seed: 1, parent: Digest::ZERO };
        let encoded = Batch { header, sections }.encode();
        self.core.handle_batch(&encoded, Digest::of(&encoded), at(self.now)).expect("it is a batch");
        let applied = self.core.execute().expect("it can be executed");
        self.core.handle_applied(applied, at(self.now));
        self.deeds()
    }

    fn drained(&mut self, ms: u64) -> Vec<Deed> {
        self.now = ms;
        self.core.handle_drained(at(ms));
        self.deeds()
    }

    fn digest(&self) -> Digest {
        self.core.machine().digest()
    }
}

fn section(n: u64, boot: u32, first_seq: u64, inputs: Vec<Input>) -> Section {
    Section { origin: node(n), boot: BootNo(boot), first_seq, inputs }
}

fn boot(n: u64, nonce: u64) -> Section {
    section(n, 0, 0, vec![Input::Boot { nonce }])
}

fn conn(n: u64, boot: u32) -> ConnId {
    ConnId::new(node(n), BootNo(boot), 1).expect("valid")
}

/// A client who comes to a port behind which there is nobody.
fn lost(n: u64, boot: u32, seq: u64) -> Section {
    let to = Service { process: "web".into(), port: 7 };
    section(n, boot, seq, vec![Input::Open { conn: conn(n, boot), to, from: HostAddr::V4([192, 0, 2, 1], 5000) }])
}

fn has(deeds: &[Deed], wanted: impl Fn(&Deed) -> bool) -> bool {
    deeds.iter().any(wanted)
}

fn says(deeds: &[Deed], tone: Tone, part: &str) -> bool {
    has(deeds, |deed| matches!(deed, Deed::Tell(t, text) if *t == tone && text.contains(part)))
}

#[test]
fn a_start_is_admitted_by_its_own_nonce_and_watches_over_the_others_from_then_on() {
    let mut bench = Bench::of(3, None);
    assert_eq!(bench.deeds(), [Deed::AskForBoot]);
    bench.core.handle_asked(11);
    // An earlier start of this node, from the log that is executed again.
    let deeds = bench.batch(vec![boot(1, 10), boot(2, 20)]);
    assert!(!has(&deeds, |deed| matches!(deed, Deed::Admit(_) | Deed::WatchOver(_))), "{deeds:?}");
    assert!(has(&deeds, |deed| *deed == Deed::Started { node: node(2), nonce: 20 }));
    assert!(!bench.core.boot().is_live());
    let deeds = bench.batch(vec![boot(1, 11)]);
    let watched = [(node(1), BootNo(2)), (node(2), BootNo(1))].into();
    assert!(has(&deeds, |deed| *deed == Deed::Admit(BootNo(2))));
    assert_eq!(deeds.last(), Some(&Deed::WatchOver(Some(watched))));
    assert!(bench.core.boot().is_live());
}

#[test]
fn what_is_applied_is_told_once_and_after_what_is_for_clients() {
    let mut bench = Bench::admitted(3);
    bench.batch(vec![lost(1, 1, 1)]);
    let deeds = bench.drained(0);
    let [Deed::Clients(clients), Deed::Applied(progress), ..] = &deeds[..] else { panic!("{deeds:?}") };
    assert_eq!(clients.outputs, [Output::Refused { conn: conn(1, 1), why: Refusal::NoListener }]);
    assert!(clients.at_once);
    assert_eq!((progress.index, progress.next_seq), (BatchIndex(2), 2));
    assert!(!has(&bench.drained(1), |deed| matches!(deed, Deed::Clients(_) | Deed::Applied(_))));
    bench.batch(vec![boot(2, 20), lost(2, 1, 1)]);
    assert!(!has(&bench.drained(2), |deed| matches!(deed, Deed::Clients(_))), "that is another node's client");
}

#[test]
fn outputs_of_a_boot_that_is_over_reach_nobody_and_another_is_asked_for() {
    let mut bench = Bench::admitted(3);
    bench.batch(vec![lost(1, 1, 1)]);
    let deeds = bench.batch(vec![section(1, 1, 2, vec![Input::NodeDown { node: node(1), boot: BootNo(1) }])]);
    let over = deeds.iter().position(|deed| *deed == Deed::Over).expect("it is over");
    assert_eq!(deeds[over + 1], Deed::AskForBoot, "after the clients were let go of");
    assert!(says(&deeds, Tone::Warn, "the others took this node for dead (batch #3)"));
    assert!(!has(&bench.drained(0), |deed| matches!(deed, Deed::Clients(_))));
    bench.core.handle_asked(12);
    bench.batch(vec![boot(1, 12)]);
    assert_eq!(bench.core.boot().granted(), Some(BootNo(2)));
    bench.batch(vec![lost(1, 1, 3), lost(1, 2, 1)]);
    let deeds = bench.drained(0);
    let [Deed::Clients(clients), ..] = &deeds[..] else { panic!("{deeds:?}") };
    assert!(clients.outputs.iter().all(|output| output.conn() == Some(conn(1, 2))), "{clients:?}");
}

#[test]
fn who_hears_nobody_looks_around_and_lets_go() {
    let mut bench = Bench::admitted(3);
    assert!(has(&bench.drained(0), |deed| *deed == Deed::LookAround));
    bench.core.handle_silence(Duration::from_millis(2_999));
    assert_eq!(bench.deeds(), []);
    assert!(!has(&bench.drained(499), |deed| *deed == Deed::LookAround));
    assert!(has(&bench.drained(500), |deed| *deed == Deed::LookAround));
    bench.core.handle_silence(Duration::from_secs(3));
    let deeds = bench.deeds();
    assert!(says(&deeds, Tone::Warn, "no leader and no quorum has been heard for 3000 ms"));
    assert_eq!(deeds[1..], [Deed::Over, Deed::AskForBoot]);
    assert_eq!((bench.drained(9_000), bench.core.deadline()), (vec![], None), "nothing is left to lose");
    let mut alone = Bench::admitted(1);
    assert!(!has(&alone.drained(0), |deed| *deed == Deed::LookAround));
}

#[test]
fn silence_is_followed_by_a_report() {
    let mut bench = Bench::admitted(3);
    bench.drained(0);
    bench.core.handle_silence(Duration::ZERO);
    let digest = bench.digest();
    assert_eq!(bench.core.deadline(), Some(at(200)));
    assert_eq!(bench.drained(199), []);
    let report = Input::Report { index: BatchIndex(1), digest };
    assert_eq!(bench.drained(200), [Deed::FlushWitness, Deed::Offer(report)]);
    assert_eq!(bench.core.deadline(), Some(at(500)), "the next look around");
    let mut alone = Bench::admitted(1);
    alone.drained(0);
    assert_eq!(alone.drained(200), [Deed::FlushWitness], "there is nobody to compare with");
    assert_eq!(alone.core.deadline(), None);
}

#[test]
fn a_node_comes_to_rest_before_it_stops() {
    let mut bench = Bench::admitted(3);
    bench.core.handle_stop(at(0));
    assert_eq!(bench.deeds(), [Deed::WatchOver(None), Deed::Suspend]);
    let log = |last, agreed| LogState { last: Some(last), agreed: Some(agreed), batch: BatchIndex(1) };
    assert_eq!(bench.drained(0).last(), Some(&Deed::LookAtLog));
    bench.core.handle_log(log(5, 4), at(0));
    assert_eq!((bench.deeds(), bench.core.deadline()), (vec![], Some(at(10))));
    assert_eq!(bench.drained(10), [Deed::LookAtLog]);
    bench.core.handle_log(log(5, 5), at(10));
    // A batch that is agreed on and not applied is on its way.
    bench.core.handle_log(LogState { batch: BatchIndex(2), ..log(5, 5) }, at(129));
    bench.core.handle_log(log(5, 5), at(130));
    assert!(!bench.core.is_over());
    assert!(!has(&bench.batch(vec![boot(2, 20)]), |deed| matches!(deed, Deed::WatchOver(_))));
    bench.core.handle_log(log(5, 5), at(250));
    assert_eq!((bench.deeds(), bench.core.is_over()), (vec![Deed::End(End::Stopped)], true));
}

#[test]
fn alone_a_node_stops_at_once() {
    let mut bench = Bench::admitted(1);
    bench.core.handle_stop(at(0));
    assert!(bench.core.is_over());
    assert_eq!(bench.drained(0).last(), Some(&Deed::End(End::Stopped)));
}

#[test]
fn a_run_ends_with_its_program() {
    let main = MainProgram::new(&program(), vec!["web".into()], Vec::new(), 64);
    let mut bench = Bench::of(1, Some(main));
    bench.deeds();
    bench.core.handle_asked(11);
    let spawn = || {
        let (args, env) = (Some(vec!["web".into()]), Some(Vec::new()));
        Input::Spawn(Spawn { program: "web".into(), args, env, stdin: true })
    };
    let deeds = bench.batch(vec![boot(1, 11)]);
    assert_eq!(deeds.last(), Some(&Deed::Offer(spawn())));
    assert!(!bench.core.is_over());
    let deeds = bench.batch(vec![section(1, 1, 1, vec![spawn()])]);
    let status = ExitStatus::Code(7);
    assert!(has(&deeds, |deed| *deed == Deed::Ended { pid: Pid(1), index: BatchIndex(2), status }));
    assert!(bench.core.is_over());
    assert_eq!(bench.drained(0).last(), Some(&Deed::End(End::Exited(status))));
}

#[test]
fn a_client_at_the_wrong_port_is_a_hint_and_news_once() {
    let mut bench = Bench::admitted(3);
    let deeds = bench.batch(vec![lost(1, 1, 1)]);
    let text = "nobody listens on the port of the cell to which it was led, nor on any other";
    assert!(says(&deeds, Tone::Warn, text));
    assert!(has(&deeds, |deed| matches!(deed, Deed::Hint(Some(hint)) if hint.contains(text))));
    let deeds = bench.batch(vec![lost(1, 1, 2)]);
    assert!(!has(&deeds, |deed| matches!(deed, Deed::Hint(_) | Deed::Tell(..))), "{deeds:?}");
}

/// What nodes 2 and 3 say of batch 1: they differ from node 1.
fn reports(digest: Digest) -> Vec<Section> {
    let report = || vec![Input::Report { index: BatchIndex(1), digest }];
    vec![section(2, 1, 1, report()), section(3, 1, 1, report())]
}

fn in_minority() -> (Bench, Vec<Deed>) {
    let mut bench = Bench::admitted(3);
    bench.batch(vec![boot(2, 20), boot(3, 30)]);
    let own = vec![Input::Report {
        index: BatchIndex(1),
        digest: bench.core.machine().digest_of(BatchIndex(1)).expect("recent"),
    }];
    bench.batch(vec![section(1, 1, 1, own)]);
    let deeds = bench.batch(reports(Digest::of(b"theirs")));
    (bench, deeds)
}

#[test]
fn a_node_in_the_minority_asks_the_others_reports_and_answers_meanwhile() {
    let (mut bench, deeds) = in_minority();
    let position = deeds.iter().position(|deed| *deed == Deed::Suspend).expect("clients are let go of");
    let Deed::Ask { peer, patience, .. } = &deeds[position + 1] else { panic!("{deeds:?}") };
    assert_eq!((*peer, *patience, bench.core.is_parting()), (node(2), Duration::from_secs(4), true));
    assert_eq!(bench.core.deadline(), Some(at(4_000)));
    let question = codec::encode(&divergence::Question::Steps(BatchIndex(1)));
    assert!(matches!(bench.core.answer(Query::Peer(question)), Ok(Answer::Peer(bytes)) if !bytes.is_empty()));
    bench.core.handle_answer(node(3), Err("nobody asked".into()), at(5));
    assert_eq!(bench.deeds(), [], "that is no answer to what was asked");
    bench.core.handle_answer(node(2), Err("it is gone".into()), at(10));
    assert!(matches!(bench.deeds()[..], [Deed::Ask { peer, .. }] if peer == node(3)));
    bench.core.handle_answer(node(3), Err("it is gone too".into()), at(20));
    assert_eq!((bench.deeds(), bench.core.deadline()), (vec![], Some(at(2_000))), "others may still ask");
    let deeds = bench.drained(2_000);
    let [Deed::Parted(Parted { index: BatchIndex(1), verdict: Some(verdict), report })] = &deeds[..] else {
        panic!("{deeds:?}")
    };
    assert_eq!(verdict, "this node differs from the majority at batch #1 and stops; the others go on.");
    assert!(report.contains("node 3 could not be asked: it is gone too"), "{report}");
    assert_eq!(bench.drained(9_000), []);
}

#[test]
fn whom_nobody_answers_is_not_waited_for() {
    let (mut bench, _) = in_minority();
    assert!(matches!(bench.drained(4_000)[..], [Deed::Ask { peer, .. }] if peer == node(3)));
    bench.core.handle_answer(node(2), Ok(Vec::new()), at(4_001));
    assert_eq!(bench.deeds(), [], "too late");
    assert!(matches!(bench.drained(8_000)[..], [Deed::Parted(_)]));
}

#[test]
fn who_agrees_with_the_majority_goes_on() {
    let mut bench = Bench::admitted(3);
    bench.batch(vec![boot(2, 20), boot(3, 30)]);
    let own = bench.core.machine().digest_of(BatchIndex(1)).expect("recent");
    let report = |digest| vec![Input::Report { index: BatchIndex(1), digest }];
    let sections = vec![
        section(1, 1, 1, report(own)),
        section(2, 1, 1, report(own)),
        section(3, 1, 1, report(Digest::of(b"another"))),
    ];
    let deeds = bench.batch(sections);
    assert!(says(&deeds, Tone::Error, "this node is not, and goes on"), "{deeds:?}");
    assert!(!bench.core.is_parting());
}

#[test]
fn a_verdict_without_a_majority_stops_whoever_lives_through_it_and_not_whoever_replays_it() {
    let split = || {
        let report = |n: u8| vec![Input::Report { index: BatchIndex(1), digest: Digest::of(&[n]) }];
        (1..=3).map(|n| section(n, 1, 1, report(n as u8))).collect::<Vec<_>>()
    };
    for live in [false, true] {
        let mut bench = Bench::of(3, None);
        bench.deeds();
        bench.core.handle_asked(if live { 10 } else { 11 });
        bench.batch(vec![boot(1, 10), boot(2, 20), boot(3, 30)]);
        let deeds = bench.batch(split());
        assert_eq!(bench.core.is_parting(), live, "{deeds:?}");
        assert_eq!(says(&deeds, Tone::Error, "goes on"), !live);
    }
}

#[test]
fn what_the_witness_contradicts_is_not_carried_out() {
    let mut bench = Bench::admitted(3);
    bench.drained(0);
    let index = bench.core.machine().applied().next();
    let header = BatchHeader { index, time: LogicalTime::from_nanos(9_000_000), seed: 1, parent: Digest::ZERO };
    let encoded = Batch { header, sections: vec![lost(1, 1, 1)] }.encode();
    bench.core.handle_batch(&encoded, Digest::of(&encoded), at(0)).expect("it is a batch");
    let applied = bench.core.execute().expect("it can be executed");
    bench.core.handle_applied(applied, at(0));
    while !matches!(bench.core.poll_deed(), Some(Deed::Witness(..)) | None) {}
    bench.core.handle_not_reproduced(index, at(0));
    let deeds = bench.deeds();
    assert!(matches!(deeds[..], [Deed::Suspend, Deed::Ask { peer, .. }] if peer == node(2)), "{deeds:?}");
    let mut alone = Bench::admitted(1);
    alone.core.handle_not_reproduced(BatchIndex(1), at(7));
    let deeds = alone.deeds();
    assert!(matches!(&deeds[..], [Deed::Suspend, Deed::Parted(Parted { verdict: None, .. })]), "{deeds:?}");
}

#[test]
fn what_is_no_batch_breaks_the_node() {
    let mut bench = Bench::of(3, None);
    assert!(bench.core.handle_batch(b"no batch", Digest::ZERO, at(0)).is_err());
    assert!(bench.core.execute().is_err(), "there is nothing to execute");
}
