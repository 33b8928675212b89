//! Functions on the cells of a cell: an engine of three functions written in Rust, both executors, one result.

use replicode_contracts::account::Address;
use replicode_contracts::backend::stm::Stm;
use replicode_contracts::backend::{Against, Backend, Ledger, Parallel, Settings};
use replicode_contracts::functions::{
    Code, Config, Denied, Done, Facts, Failed, Functions, Number, Refused, Request, Stage, StageEnd, StateAct, Which,
    World, account, limits, number,
};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::proof::{Anchor, Question};
use replicode_contracts::receipt::{Receipt, Skipped, Status};
use replicode_contracts::run::{Config as Rules, Loaded, Loader, Moment, Source, Unloaded};
use replicode_contracts::state::Storage;
use replicode_contracts::template::Template;
use replicode_contracts::transaction::Transaction;
use std::sync::Arc;

/// Modules are words here, and what they do is written below. Anything else is no module.
struct Words;

impl Words {
    fn of(wasm: &[u8]) -> Result<&str, Refused> {
        let word = std::str::from_utf8(wasm).unwrap_or("");
        let known = ["echo", "count", "fail", "set", "write", "list", "again", "flood"];
        if known.contains(&word.trim_end()) || word.starts_with("call ") {
            return Ok(word);
        }
        Err(Refused { code: Code::BadModule, message: "no module".into(), returned: None })
    }

    fn act(word: &str, input: &[u8], world: &mut dyn World) -> Result<Vec<u8>, Denied> {
        let word = word.trim_end();
        match word {
            "echo" => Ok(input.to_vec()),
            "count" => {
                let mut now = Vec::new();
                world.get(b"count", &mut now)?;
                let next = now.try_into().map_or(0, u64::from_le_bytes) + 1;
                world.set(b"count", &next.to_le_bytes())?;
                Ok(next.to_le_bytes().to_vec())
            }
            "write" => {
                world.log(input)?;
                world.set(input, input)?;
                Ok(vec![u8::from(world.delete(b"gone")?)])
            }
            "flood" => Ok(vec![7; 1 << 20]),
            // One key, as often as the input says.
            "again" => {
                let rounds: u32 = String::from_utf8_lossy(input).parse().unwrap_or(0);
                (0..rounds).try_for_each(|round| world.set(b"key", &vec![round as u8; 60 << 10]))?;
                Ok(Vec::new())
            }
            "list" => {
                let mut all = Vec::new();
                world.list(input, &mut |key| {
                    all.extend_from_slice(&[key, b";"].concat());
                    true
                })?;
                Ok(all)
            }
            _ => {
                let name = word.strip_prefix("call ").unwrap_or("");
                let Some(digest) = world.enter(name.as_bytes())? else { return Ok(b"none".to_vec()) };
                let wasm = world.module(&digest)?;
                let inner = Self::of(&wasm).expect("it was stored");
                let output = Self::act(inner, input, world)?;
                // Odd inputs fail after the fact: what was done is undone.
                world.leave(input.len().is_multiple_of(2));
                Ok(output)
            }
        }
    }
}

impl Functions for Words {
    fn check(&self, _: &[u8; 32], wasm: &[u8]) -> Result<Result<Facts, Refused>, String> {
        let facts = |word: &str| Facts {
            imports: vec![format!("host.{}", word.trim_end())],
            memory: 7,
            stateful: word != "echo",
        };
        Ok(Self::of(wasm).map(facts))
    }

    fn run(&self, stage: &Stage<'_>, input: &[u8], world: &mut dyn World) -> Result<StageEnd, String> {
        let end = |result, output| Ok(StageEnd { result, output, fuel: 10, memory: 7 });
        let refused = |code, message: &str| Err(Refused { code, message: message.into(), returned: Some(1) });
        if stage.fuel < 10 {
            return end(refused(Code::Fuel, "no fuel"), Vec::new());
        }
        let wasm = match world.module(stage.digest) {
            Ok(wasm) => wasm,
            Err(why) => return Err(format!("{why:?}")),
        };
        if wasm == b"fail" {
            return end(refused(Code::Plugin, "it failed"), Vec::new());
        }
        match Self::act(Self::of(&wasm).expect("it was stored"), input, world) {
            Ok(output) => end(Ok(()), output),
            Err(Denied::ReadOnly) => end(refused(Code::ReadOnly, "it may only read state"), Vec::new()),
            Err(Denied::Log { .. }) => end(refused(Code::LogTooLarge, "it logged too much"), Vec::new()),
            Err(Denied::Memory { .. }) => end(refused(Code::Memory, "too much memory"), Vec::new()),
            Err(Denied::State(why)) => end(refused(Code::StateConflict, &why), Vec::new()),
            Err(Denied::Depth(_)) => end(refused(Code::Trap, "too deep"), Vec::new()),
            Err(Denied::Lost) => Err("lost".into()),
        }
    }
}

impl Loader for Words {
    fn at_hand(&self, _: &Hash) -> Option<Arc<Loaded>> {
        None
    }

    fn load(&self, _: &Hash, _: Template) -> Result<Arc<Loaded>, Unloaded> {
        Err(Unloaded::Refused("contracts are not run here".into()))
    }

    fn functions(&self) -> Option<&dyn Functions> {
        Some(self)
    }
}

/// Two executors that are told the same.
struct Both {
    ledger: Ledger<Memory>,
    parallel: Parallel<Memory>,
    batch: u64,
    sequence: u64,
}

impl Both {
    fn new() -> Self {
        let rules = || Rules::standard(Hash::new([9; 32]));
        let ledger = Ledger::new(Storage::new(Memory::new(), 8), rules(), Arc::new(Words));
        let settings = Settings { stm: Stm::builder().threads(2), ..Settings::default() };
        let parallel = Parallel::new(Storage::new(Memory::new(), 8), rules(), Arc::new(Words), settings);
        Self { ledger, parallel: parallel.expect("threads"), batch: 0, sequence: 0 }
    }

    fn batch(&mut self, requests: &[Request]) -> Vec<Result<Done, (u32, Failed)>> {
        self.batch += 1;
        let moment = Moment { batch: self.batch, time: self.batch, seed: 1 };
        let calls: Vec<Vec<u8>> = requests
            .iter()
            .map(|request| {
                self.sequence += 1;
                request.encode(1, self.sequence)
            })
            .collect();
        let mut sealed = Vec::new();
        for backend in [&mut self.ledger as &mut dyn Backend, &mut self.parallel] {
            backend.begin(moment).expect("begun");
            backend.execute(&calls).expect("executed");
            sealed.push(backend.commit().expect("committed"));
        }
        assert_eq!(sealed[0].batch, sealed[1].batch, "roots and receipts");
        assert_eq!(sealed[0].receipts, sealed[1].receipts);
        sealed[0].receipts.iter().map(done).collect()
    }

    fn one(&mut self, request: Request) -> Result<Done, (u32, Failed)> {
        self.batch(&[request]).remove(0)
    }

    fn load(&mut self, word: &str, name: &str) -> Number {
        match self.one(load(word, name)) {
            Ok(Done::Loaded { entry, .. }) => entry.number,
            other => panic!("{other:?}"),
        }
    }
}

fn done(receipt: &Receipt) -> Result<Done, (u32, Failed)> {
    assert_eq!(receipt.gas.burnt, 0);
    match &receipt.status {
        Status::Success => Ok(borsh::from_slice(&receipt.returned).expect("an answer")),
        Status::Reverted { code, data } => Err((*code, borsh::from_slice(data).expect("a failure"))),
        other => panic!("{other}"),
    }
}

fn load(word: &str, name: &str) -> Request {
    let wasm = word.as_bytes().to_vec();
    Request::Load { wasm, name: name.into(), namespace: None, config: Config::default(), replace: false }
}

fn execute(stages: &[&str], input: &[u8]) -> Request {
    Request::Execute {
        stages: stages.iter().map(|name| Which::of(name)).collect(),
        chain: stages.len() > 1,
        entry: None,
        input: input.to_vec(),
        config: Config::default(),
        read_only: false,
        lines: false,
    }
}

fn output(done: Result<Done, (u32, Failed)>) -> Vec<u8> {
    match done {
        Ok(Done::Executed { output, .. }) => output,
        other => panic!("{other:?}"),
    }
}

fn code(done: Result<Done, (u32, Failed)>) -> u32 {
    done.expect_err("it fails").0
}

fn names(both: &mut Both) -> Vec<Vec<String>> {
    match both.one(Request::List) {
        Ok(Done::List(all)) => all.into_iter().map(|entry| entry.names).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_loaded_is_run_and_what_is_unloaded_is_not() {
    let mut both = Both::new();
    assert_eq!(code(both.one(execute(&["echo"], b"x"))), Code::NotFound as u32);
    let echo = both.load("echo", "echo");
    assert_eq!(echo, Number::of_function(&number::digest(b"echo"), None), "the number follows from the content");
    assert_eq!(output(both.one(execute(&["echo"], b"x"))), b"x");
    assert_eq!(output(both.one(execute(&[&echo.to_string()], b"y"))), b"y");
    // The same bytes under another name are the same function; another function under a name needs to be told so.
    let again = both.one(load("echo", "second"));
    assert!(matches!(&again, Ok(Done::Loaded { entry, cached: true }) if entry.number == echo), "{again:?}");
    assert_eq!(code(both.one(load("count", "echo"))), Code::BadRequest as u32);
    let Request::Load { wasm, name, namespace, config, .. } = load("count", "echo") else { panic!() };
    let replaced = both.one(Request::Load { wasm, name, namespace, config, replace: true });
    assert!(replaced.is_ok(), "{replaced:?}");
    assert_eq!(names(&mut both), [["echo"], ["second"]]);
    assert_eq!(output(both.one(execute(&["second"], b"z"))), b"z");
    // In one batch: those before the unload run, those behind it find nothing.
    let requests = [execute(&["second"], b"1"), Request::Unload(Which::of("second")), execute(&["second"], b"2")];
    let answers = both.batch(&requests);
    assert_eq!(output(answers[0].clone()), b"1");
    assert_eq!(code(answers[2].clone()), Code::NotFound as u32);
    assert_eq!(names(&mut both), [["echo"]]);
    // The module is gone with its last function, and comes back.
    both.load("echo", "echo-2");
    assert_eq!(output(both.one(execute(&["echo-2"], b"w"))), b"w");
}

#[test]
fn executions_of_one_batch_are_as_if_one_came_after_the_other() {
    let mut both = Both::new();
    both.load("count", "count");
    let requests: Vec<Request> = (0..200).map(|_| execute(&["count"], b"")).collect();
    let answers = both.batch(&requests);
    for (number, answer) in (1u64..).zip(answers) {
        assert_eq!(output(answer), number.to_le_bytes());
    }
    let value = both.one(Request::State(Which::of("count"), StateAct::Get(b"count".to_vec())));
    assert_eq!(value, Ok(Done::Value(Some(200u64.to_le_bytes().to_vec()))));
}

#[test]
fn a_failing_stage_leaves_nothing_of_those_before_it() {
    let mut both = Both::new();
    for word in ["count", "fail", "echo"] {
        both.load(word, word);
    }
    let failed = both.one(execute(&["count", "echo", "fail"], b"")).expect_err("the last one fails");
    assert_eq!((failed.0, failed.1.stage, failed.1.fuel), (Code::Plugin as u32, Some(2), Some(30)));
    assert_eq!((failed.1.message.as_str(), failed.1.returned), ("stage 2 ('fail'): it failed", Some(1)));
    assert_eq!(output(both.one(execute(&["count", "echo"], b""))), 1u64.to_le_bytes());
    assert_eq!(code(both.one(execute(&[], b""))), Code::BadRequest as u32);
    let most = vec!["echo"; limits::STAGES];
    assert_eq!(output(both.one(execute(&most, b"far"))), b"far");
    let more = vec!["echo"; limits::STAGES + 1];
    assert_eq!(code(both.one(execute(&more, b""))), Code::BadRequest as u32);
}

#[test]
fn a_function_that_fails_within_another_has_changed_nothing() {
    let mut both = Both::new();
    both.load("count", "count");
    both.load("call count", "caller");
    assert_eq!(output(both.one(execute(&["caller"], b"odd"))), 1u64.to_le_bytes());
    assert_eq!(output(both.one(execute(&["caller"], b"even"))), 1u64.to_le_bytes());
    assert_eq!(output(both.one(execute(&["caller"], b"even"))), 2u64.to_le_bytes());
    both.load(&format!("call {}", "n".repeat(limits::NAME + 1)), "long");
    assert_eq!(output(both.one(execute(&["long"], b""))), b"none");
    both.load("call nobody", "lost");
    assert_eq!(output(both.one(execute(&["lost"], b""))), b"none");
    both.load("call self", "self");
    let deep = both.one(execute(&["self"], b"")).expect_err("too deep");
    assert_eq!((deep.0, deep.1.message.as_str()), (Code::Trap as u32, "'self': too deep"));
}

#[test]
fn who_may_only_read_changes_nothing() {
    let mut both = Both::new();
    both.load("count", "count");
    let Request::Execute { stages, chain, entry, input, config, lines, .. } = execute(&["count"], b"") else {
        panic!()
    };
    let read = Request::Execute { stages, chain, entry, input, config, lines, read_only: true };
    assert!(read.is_question() && !execute(&["count"], b"").is_question());
    assert_eq!(code(both.one(read)), Code::ReadOnly as u32);
    // Asked past the log, too: nothing of it stays.
    let receipt = both.parallel.dry_run(&execute(&["count"], b"").encode(7, 7)).expect("an answer");
    assert_eq!(output(done(&receipt)), 1u64.to_le_bytes());
    assert_eq!(output(both.one(execute(&["count"], b""))), 1u64.to_le_bytes());
}

#[test]
fn keys_and_values_have_their_limits() {
    let mut both = Both::new();
    both.load("write", "write");
    both.load("list", "list");
    let longest = vec![b'k'; limits::KEY];
    assert_eq!(output(both.one(execute(&["write"], &longest))), [0]);
    assert_eq!(code(both.one(execute(&["write"], &[&longest[..], b"k"].concat()))), Code::StateConflict as u32);
    let write = |key: &[u8], value: Vec<u8>| Request::State(Which::of("list"), StateAct::Set(key.to_vec(), value));
    assert_eq!(both.one(write(b"a", vec![1; limits::VALUE])), Ok(Done::Set(limits::VALUE as u64)));
    assert_eq!(code(both.one(write(b"a", vec![1; limits::VALUE + 1]))), Code::BadRequest as u32);
    // More keys than are read at once, in their order, and those of nobody else.
    for batch in 0..3u8 {
        let keys: Vec<Request> = (0..=255u8).rev().map(|n| write(&[b'p', n, batch], vec![])).collect();
        assert!(both.batch(&keys).iter().all(Result::is_ok));
    }
    let listed = both.one(Request::State(Which::of("list"), StateAct::List(b"p".to_vec())));
    let Ok(Done::Keys(keys)) = listed else { panic!("{listed:?}") };
    assert_eq!(keys.len(), 768);
    assert!(keys.is_sorted() && keys[0] == [b'p', 0, 0]);
    assert_eq!(output(both.one(execute(&["list"], &[b'p', 255]))).len(), 12);
    let gone = both.one(Request::State(Which::of("list"), StateAct::Delete(b"a".to_vec())));
    assert_eq!(gone, Ok(Done::Deleted(true)));
    assert_eq!(output(both.one(execute(&["list"], b"a"))), b"");
}

#[test]
fn who_overwrites_one_key_without_end_is_ended() {
    let mut both = Both::new();
    both.load("again", "again");
    let rounds = |rounds: &str, memory_mb: Option<u64>| {
        let Request::Execute { stages, chain, entry, input, read_only, lines, .. } =
            execute(&["again"], rounds.as_bytes())
        else {
            panic!()
        };
        let config = Config { memory_mb, ..Config::default() };
        Request::Execute { stages, chain, entry, input, config, read_only, lines }
    };
    // What is overwritten is held until the end, to go back to: 60 KiB in each round, and 60 KiB that were there.
    assert_eq!(output(both.one(rounds("8", Some(1)))), b"");
    assert_eq!(code(both.one(rounds("9", Some(1)))), Code::Memory as u32);
    assert_eq!(code(both.one(rounds("1000000", Some(1)))), Code::Memory as u32);
    // And all of it is in what nodes keep of their last batches.
    assert_eq!(output(both.one(rounds("130", None))), b"");
    assert_eq!(code(both.one(rounds("140", None))), Code::StateConflict as u32);
    assert_eq!(code(both.one(rounds("1000000", None))), Code::StateConflict as u32);
    let value = both.one(Request::State(Which::of("again"), StateAct::Get(b"key".to_vec())));
    assert!(
        matches!(value, Ok(Done::Value(Some(value))) if value == vec![129; 60 << 10]),
        "nothing of those that failed"
    );
}

#[test]
fn what_the_functions_of_one_batch_do_together_is_bounded() {
    let mut both = Both::new();
    both.load("flood", "flood");
    both.load("echo", "echo");
    let mut requests = vec![execute(&["flood"], b""); 40];
    requests.extend(vec![execute(&["echo"], b"x"); 3]);
    let answers = both.batch(&requests);
    let good = (limits::BATCH >> 20) as usize;
    assert!(answers[..good].iter().all(Result::is_ok), "those before it is used up");
    for answer in &answers[good..] {
        let (code, failed) = answer.clone().expect_err("there is no room");
        assert_eq!(code, Code::Overloaded as u32);
        assert!(failed.message.contains("try again"), "{}", failed.message);
    }
    // The next one has its own.
    assert_eq!(output(both.one(execute(&["echo"], b"y"))), b"y");
}

#[test]
fn a_list_of_keys_is_no_longer_than_an_answer() {
    let mut both = Both::new();
    both.load("echo", "echo");
    let of = |act| Request::State(Which::of("echo"), act);
    let key = |number: u32| [&vec![b'k'; limits::KEY - 8][..], format!("{number:08}").as_bytes()].concat();
    let most = limits::ANSWER as u32 / (limits::KEY as u32 + 4);
    for from in (0..most).step_by(2000) {
        let sets: Vec<Request> = (from..most.min(from + 2000)).map(|n| of(StateAct::Set(key(n), vec![]))).collect();
        assert!(both.batch(&sets).iter().all(Result::is_ok));
    }
    let list = |both: &mut Both, prefix: &[u8]| both.one(of(StateAct::List(prefix.to_vec())));
    assert!(matches!(list(&mut both, b""), Ok(Done::Keys(keys)) if keys.len() == most as usize));
    assert!(both.one(of(StateAct::Set(key(most), vec![]))).is_ok());
    assert_eq!(code(list(&mut both, b"")), Code::OutputTooLarge as u32);
    assert!(matches!(list(&mut both, &key(3)), Ok(Done::Keys(keys)) if keys.len() == 1));
}

#[test]
fn limits_hold_at_the_limit() {
    let mut both = Both::new();
    both.load("echo", "echo");
    let with = |config: Config| {
        let Request::Execute { stages, chain, entry, input, read_only, lines, .. } = execute(&["echo"], b"") else {
            panic!()
        };
        Request::Execute { stages, chain, entry, input, config, read_only, lines }
    };
    let fuel = |fuel| with(Config { fuel: Some(fuel), ..Config::default() });
    assert_eq!(code(both.one(fuel(9))), Code::Fuel as u32);
    assert!(both.one(fuel(10)).is_ok() && both.one(fuel(limits::FUEL)).is_ok());
    assert_eq!(code(both.one(fuel(limits::FUEL + 1))), Code::BadRequest as u32);
    let memory = |mb| with(Config { memory_mb: Some(mb), ..Config::default() });
    assert!(both.one(memory(limits::MOST_MEMORY_MB)).is_ok());
    assert_eq!(code(both.one(memory(limits::MOST_MEMORY_MB + 1))), Code::BadRequest as u32);
    assert_eq!(code(both.one(memory(0))), Code::BadRequest as u32);
    for (name, good) in [(&*"n".repeat(64), true), (&*"n".repeat(65), false), ("", false), ("a b", false)] {
        assert_eq!(both.one(load("echo", name)).is_ok(), good, "{name}");
    }
    let long = |spaces: usize| load(&format!("list{}", " ".repeat(spaces)), "long");
    assert!(both.one(long(limits::MODULE_BYTES - 4)).is_ok());
    assert_eq!(code(both.one(long(limits::MODULE_BYTES - 3))), Code::BadModule as u32);
    assert_eq!(output(both.one(execute(&["long"], b""))), b"", "its bytes come back from their elements");
}

#[test]
fn a_function_has_as_many_names_as_there_is_room_for() {
    let mut both = Both::new();
    let name = |number: usize| format!("{number:0>64}");
    let loads: Vec<Request> = (0..1000).map(|number| load("echo", &name(number))).collect();
    // Each answer has all names: those of many would be more than a batch may answer.
    let answers: Vec<_> = loads.chunks(100).flat_map(|some| both.batch(some)).collect();
    let good = answers.iter().take_while(|answer| answer.is_ok()).count();
    assert!((900..1000).contains(&good), "{good}");
    assert!(answers[good..].iter().all(|answer| code(answer.clone()) == Code::Overloaded as u32));
    assert_eq!(names(&mut both)[0].len(), good);
}

#[test]
fn state_is_under_the_root() {
    let mut both = Both::new();
    both.load("count", "count");
    assert!(both.one(execute(&["count"], b"")).is_ok());
    let tip = both.parallel.tip().expect("a batch");
    // The element of the key, in the collection that stands in the fourth slice.
    let number = Number::of_function(&number::digest(b"count"), None);
    let keys = vec![[&number.0[..], b"count"].concat()];
    let question = Question::Element { address: *account().as_bytes(), page: 0, offset: 96, keys };
    let proof = both.parallel.prove(&question, tip.index, Against::Root).expect("provable");
    let found = proof.verify(&question, &Anchor::Root(tip.root)).expect("it proves it").expect("it is there");
    assert!(found.ends_with(&1u64.to_le_bytes()), "{found:?}");
    assert_ne!(both.parallel.account(&account()).expect("an answer").state, Hash::ZERO);
    assert_ne!(account(), Address::of_name("functions"));
}

/// A request has no principal and pays no gas: a program of the cell that submits one is told that it is no transaction.
#[test]
fn programs_have_transactions_only() {
    let mut both = Both::new();
    let bytes = load("echo", "mine").encode(1, 1);
    let malformed = Status::Skipped { why: Skipped::Malformed };
    for backend in [&mut both.ledger as &mut dyn Backend, &mut both.parallel] {
        backend.begin(Moment { batch: 1, time: 1, seed: 1 }).expect("begun");
        let of_program = backend.execute_from(Source::Program, std::slice::from_ref(&bytes)).expect("executed");
        assert_eq!((of_program.len(), &of_program[0].status), (1, &malformed));
        assert_eq!((of_program[0].transaction, of_program[0].position), (Transaction::hash_of(&bytes), 0));
        let of_client = backend.execute_from(Source::Client, std::slice::from_ref(&bytes)).expect("executed");
        assert!(done(&of_client[0]).is_ok() && of_client[0].position == 1);
        backend.commit().expect("committed");
    }
    assert_eq!(both.ledger.tip(), both.parallel.tip());
}

#[test]
fn any_bytes_are_a_request_or_none() {
    let whole = execute(&["echo", "count"], b"input").encode(3, 4);
    assert!(Request::decode(&whole).is_some());
    for len in 0..whole.len() {
        assert_eq!(Request::decode(&whole[..len]), None, "cut to {len}");
    }
    assert_eq!(Request::decode(&[&whole[..], &[0]].concat()), None);
    let mut both = Both::new();
    for backend in [&mut both.ledger as &mut dyn Backend, &mut both.parallel] {
        backend.begin(Moment { batch: 1, time: 1, seed: 1 }).expect("begun");
        let receipts = backend.execute(&[whole[..9].to_vec(), vec![0xf1; 40]]).expect("executed");
        assert!(receipts.iter().all(|receipt| matches!(receipt.status, Status::Skipped { .. })));
        backend.commit().expect("committed");
    }
}
