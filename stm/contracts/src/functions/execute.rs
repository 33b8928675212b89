//! What a request does, wherever the cells are.

use super::answer::{Code, Done, Entry, Failed, StageDone};
use super::engine::{Denied, Functions, Refused, Stage, World};
use super::limits;
use super::place::Result;
use super::registry::{self, Answer, Load, refused};
use super::request::{Config, Request, StateAct, Which};
use super::world::{On, namespace_of};
use crate::cell::Access;
use crate::hash::Hash;
use crate::receipt::{Receipt, Status};
use crate::run::{Around, Fault, Left, blank};
use crate::transaction::encode;

/// Why a request failed, and how.
struct Ended {
    why: Refused,
    stage: Option<u32>,
    fuel: Option<u64>,
    lines: Vec<Vec<u8>>,
}

impl From<Refused> for Ended {
    fn from(why: Refused) -> Self {
        Self { why, stage: None, fuel: None, lines: Vec::new() }
    }
}

type Outcome<A> = Result<std::result::Result<Done, Ended>, A>;

/// Does what a request asks for, all of it or nothing. With the receipt, what it takes of the room of its batch: [`limits::BATCH`].
pub(crate) fn execute<A: Access>(
    cells: &mut A,
    around: Around<'_>,
    position: u32,
    name: Hash,
    request: &Request,
    left: Left,
) -> Result<(Receipt, u64), A> {
    let mut receipt = blank(name, around.moment.batch, position, Status::Success);
    if left.room == 0 {
        let message = "the functions of this batch have done all that those of one batch may do: try again".to_string();
        let failed = Failed { message, stage: None, fuel: None, returned: None, lines: Vec::new() };
        receipt.status = Status::Reverted { code: Code::Overloaded as u32, data: encode(&failed) };
        return Ok((receipt, 0));
    }
    let Some(engine) = around.loader.functions() else {
        let why = "nothing runs functions here".into();
        return Err(Fault::Engine { template: name, why });
    };
    let begin = cells.mark();
    let mut written = 0;
    let (fuel, bytes) = match done(cells, engine, request, &mut written)? {
        Ok(done) => {
            receipt.returned = encode(&done);
            let fuel = if let Done::Executed { fuel, .. } = done { fuel } else { 0 };
            (fuel, receipt.returned.len())
        }
        Err(Ended { why, stage, fuel, lines }) => {
            cells.roll_back(begin);
            let failed = Failed { message: why.message, stage, fuel, returned: why.returned, lines };
            let data = encode(&failed);
            let bytes = data.len();
            receipt.status = Status::Reverted { code: why.code as u32, data };
            (fuel.unwrap_or(0), bytes)
        }
    };
    let work = written.saturating_add(bytes as u64).saturating_add(fuel / limits::FUEL_OF_BYTE);
    Ok((receipt, work.max(1)))
}

fn done<A: Access>(cells: &mut A, engine: &dyn Functions, request: &Request, written: &mut u64) -> Outcome<A> {
    let plain = |answer: std::result::Result<Done, Refused>| Ok(answer.map_err(Ended::from));
    match request {
        Request::Load { wasm, name, namespace, config, replace } => {
            if let Err(refused) = whole(*config, false) {
                return Ok(Err(refused.into()));
            }
            let load = Load { wasm, name, namespace: namespace.as_deref(), config: *config, replace: *replace };
            // A module that is there is not written again; that is not worth a question.
            *written = wasm.len() as u64;
            let loaded = registry::load(cells, &load, |digest| engine.check(digest, wasm))?;
            plain(loaded.map(|(entry, cached)| Done::Loaded { entry, cached }))
        }
        Request::Unload(which) => {
            plain(registry::unload(cells, which)?.map(|(number, name)| Done::Unloaded { number, name }))
        }
        Request::List => plain(Ok(Done::List(shortened(registry::all(cells)?)))),
        Request::Info(which) => plain(registry::found(cells, which)?.map(Done::Info)),
        Request::State(which, act) => plain(state(cells, which, act, written)?),
        Request::Execute { stages, chain, entry, input, config, read_only, lines } => {
            let job = Job { chain: *chain, entry: entry.as_deref(), config: *config, read_only: *read_only };
            let mut ended = run(cells, engine, stages, &job, input, written)?;
            if !lines {
                match &mut ended {
                    Ok(Done::Executed { lines, .. }) | Err(Ended { lines, .. }) => lines.clear(),
                    Ok(_) => {}
                }
            }
            Ok(ended)
        }
    }
}

/// All functions in one answer: where some have very many names, the first ones of each.
fn shortened(mut all: Vec<Entry>) -> Vec<Entry> {
    const NAMES: usize = 8;
    let bytes: usize = all.iter().flat_map(|entry| &entry.names).map(|name| name.len() + 4).sum();
    if bytes as u64 > limits::ANSWER / 2 {
        all.iter_mut().for_each(|entry| entry.names.truncate(NAMES));
    }
    all
}

/// An execution with everything decided.
#[derive(Clone, Copy)]
struct Whole {
    memory_bytes: u64,
    fuel: u64,
    output_bytes: u64,
}

/// Everything decided, within what a cell allows.
fn whole(config: Config, read_only: bool) -> std::result::Result<Whole, Refused> {
    let within = |what: &str, value: Option<u64>, standard: u64, most: u64| match value.unwrap_or(standard) {
        value if value == 0 || value > most => {
            let message = format!("{what} is {value}: from 1 to {most} is possible in the log of a cell");
            Err(Refused { code: Code::BadRequest, message, returned: None })
        }
        value => Ok(value),
    };
    let memory = within("memory_limit_mb", config.memory_mb, limits::MEMORY_MB, limits::MOST_MEMORY_MB)?;
    let output = within("output_limit_mb", config.output_mb, limits::OUTPUT_MB, limits::OUTPUT_MB)?;
    let most = if read_only { limits::READ_FUEL } else { limits::FUEL };
    let fuel = within("fuel", config.fuel, most, most)?;
    Ok(Whole { memory_bytes: memory * limits::MB, fuel, output_bytes: output * limits::MB })
}

struct Job<'a> {
    chain: bool,
    entry: Option<&'a str>,
    config: Config,
    read_only: bool,
}

/// Runs functions, one behind the other. All of it is one transaction.
fn run<A: Access>(
    cells: &mut A,
    engine: &dyn Functions,
    stages: &[Which],
    job: &Job<'_>,
    input: &[u8],
    written: &mut u64,
) -> Outcome<A> {
    let most = limits::STAGES;
    if stages.is_empty() || stages.len() > most || (stages.len() > 1 && !job.chain) {
        let text = format!("a chain of {} stages: 1 to {most} are possible", stages.len());
        return refused(Code::BadRequest, text).map(|answer| answer.map_err(Ended::from));
    }
    // All functions are looked up before any runs.
    let mut entries: Vec<Entry> = Vec::with_capacity(stages.len());
    for which in stages {
        match registry::found(cells, which)? {
            Ok(entry) => entries.push(entry),
            Err(refused) => return Ok(Err(refused.into())),
        }
    }
    let first = entries.first().map_or_else(Config::default, |entry| entry.config);
    // What nobody has asked for in this request is not refused for it.
    let within = |config: Config| Config {
        fuel: config.fuel.map(|fuel| if job.read_only { fuel.min(limits::READ_FUEL) } else { fuel }),
        ..config
    };
    let all = match whole(job.config.or(within(first)), job.read_only) {
        Ok(all) => all,
        Err(refused) => return Ok(Err(refused.into())),
    };
    let mut world = On::new(cells, job.read_only, all.memory_bytes);
    let (mut output, mut reports) = (None, Vec::new());
    let (mut fuel, mut memory) = (0u64, 0u64);
    for (number, entry) in entries.iter().enumerate() {
        // What a stage's function was loaded with holds for the stage, within what is left of the whole.
        let own = match job.chain && entry.config != Config::default() {
            true => whole(job.config.or(within(entry.config)), job.read_only),
            false => Ok(all),
        };
        let own = match own {
            Ok(own) => own,
            Err(refused) => return Ok(Err(refused.into())),
        };
        world.stage(namespace_of(entry));
        let stage = Stage {
            digest: &entry.digest,
            entry: job.entry,
            fuel: own.fuel.min(all.fuel.saturating_sub(fuel)),
            memory_bytes: own.memory_bytes,
            output_bytes: own.output_bytes,
        };
        let end = engine.run(&stage, output.as_deref().unwrap_or(input), &mut world);
        *written = world.written;
        if let Some(fault) = world.fault.take() {
            return Err(fault);
        }
        let end = end.map_err(|why| Fault::Engine { template: Hash::new(entry.digest), why })?;
        fuel = fuel.saturating_add(end.fuel);
        memory = memory.max(end.memory);
        if let Err(why) = end.result {
            let name = entry.names.first().map_or("", String::as_str);
            let message = match job.chain {
                true => format!("stage {number} ('{name}'): {}", why.message),
                false => format!("'{name}': {}", why.message),
            };
            let stage = job.chain.then(|| u32::try_from(number).unwrap_or(u32::MAX));
            let lines = std::mem::take(&mut world.lines);
            return Ok(Err(Ended { why: Refused { message, ..why }, stage, fuel: Some(fuel), lines }));
        }
        if job.chain {
            reports.push(StageDone { fuel: end.fuel, bytes: end.output.len() as u64 });
        }
        output = Some(end.output);
    }
    let lines = std::mem::take(&mut world.lines);
    Ok(Ok(Done::Executed { output: output.unwrap_or_default(), fuel, memory, stages: reports, lines }))
}

/// Reads or changes state from outside.
fn state<A: Access>(cells: &mut A, which: &Which, act: &StateAct, written: &mut u64) -> Answer<Done, A> {
    let entry = match registry::found(cells, which)? {
        Ok(entry) => entry,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut world = On::new(cells, false, limits::MOST_MEMORY_MB * limits::MB);
    world.stage(namespace_of(&entry));
    let answer = match act {
        StateAct::Get(key) => {
            let mut value = Vec::new();
            world.get(key, &mut value).map(|there| Done::Value(there.then_some(value)))
        }
        StateAct::Set(key, value) => world.set(key, value).map(|()| Done::Set(value.len() as u64)),
        StateAct::Delete(key) => world.delete(key).map(Done::Deleted),
        StateAct::List(prefix) => {
            let (mut keys, mut bytes) = (Vec::new(), 0);
            let listed = world.list(prefix, &mut |key| {
                bytes += key.len() as u64 + 4;
                keys.push(key.to_vec());
                bytes <= limits::ANSWER
            });
            if bytes > limits::ANSWER && world.fault.is_none() {
                let most = limits::ANSWER;
                let text = format!("the keys have more bytes than the {most} of an answer: ask for a longer prefix");
                return refused(Code::OutputTooLarge, text);
            }
            listed.map(|()| Done::Keys(keys))
        }
    };
    *written = world.written;
    if let Some(fault) = world.fault.take() {
        return Err(fault);
    }
    match answer {
        Ok(done) => Ok(Ok(done)),
        Err(Denied::State(why)) => {
            let code = if why.starts_with("the state") { Code::StateConflict } else { Code::BadRequest };
            refused(code, why)
        }
        Err(Denied::Memory { asked, limit }) => {
            refused(Code::Memory, format!("the answer has {asked} bytes and may have {limit}: ask for less"))
        }
        Err(_) => refused(Code::ReadOnly, "it may only read state"),
    }
}
