//! Random transaction programs: the engine's way to run them, and an independent tiny interpreter. `random` makes them.
//!
//! The interpreter knows nothing of the crate: plain vectors and maps, and a clone per frame for rolling back.

#![allow(dead_code, unused_imports, clippy::unwrap_used)] // shared by several test binaries, each using a part

mod disk;
mod random;

use disk::Disk;
pub use random::{Random, random_program};
use replicode_stm::{
    Builder, Contexts, Outcome, Revert, Stm, Stop, Turn, TxBag, TxCell, TxCounter, TxCounters, TxMap, TxMemory,
    TxResult, TxVec, Verdict,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One step of a transaction. `acc` is the transaction's accumulator: everything read goes into it, and everything
/// written and every decision comes out of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Read(usize),
    Write(usize, u64),
    /// Writes only if the accumulator is odd: write sets shrink and grow between incarnations.
    WriteIfOdd(usize),
    /// Reads the key that the accumulator names.
    ReadChosen,
    WriteChosen(u64),
    Add(usize, i64),
    TryAdd(usize, i64, i64, i64),
    Sum(usize),
    SetSum(usize, i64),
    MapGet(u32),
    MapHas(u32),
    MapInsert(u32),
    MapRemove(u32),
    MapRange(u32, u32),
    MapFirst(u32),
    /// Insertion, removal and change that look at what was there.
    MapSwap(u32),
    MapTake(u32),
    MapBump(u32),
    MapBack(u32, u32),
    MapLast(u32),
    MapLen,
    MapNone,
    TextSwap(u32),
    TextGet(u32),
    TextSet(u32),
    TextRemove(u32),
    Push,
    Pop,
    Len,
    Get(u64),
    Set(u64),
    BagPush,
    BagItems,
    MemRead(u32),
    MemLen(u32),
    MemHas(u32),
    /// A value of this length.
    MemSet(u32, usize),
    /// The same content whatever was read: re-executions write it again.
    MemSame(u32),
    MemUnset(u32),
    /// Looks the key up once, reads, writes, reads.
    MemBump(u32),
    WideGet(u32),
    WideHas(u32),
    WideAdd(u32, i64),
    WideTry(u32, i64, i64, i64),
    WideSet(u32, i64),
    WideUnset(u32),
    /// Nested; reverts if the accumulator modulo the first number is the second.
    Frame(Vec<Op>, u64, u64),
    /// The same between a mark and the roll-back to it; what ends the steps early ends the transaction or frame outside.
    Marked(Vec<Op>, u64, u64),
    RevertIf(u64, u64),
    PanicIf(u64, u64),
    FatalIf(u64, u64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub keys: usize,
    pub txs: Vec<Vec<Op>>,
    /// The stream ends where the transactions weigh more than this: with the one that is too much if it is even, else
    /// before it.
    pub limit: Option<u64>,
}

impl Program {
    fn ends(limit: u64, total: u64) -> Verdict {
        match (total > limit, limit.is_multiple_of(2)) {
            (false, _) => Verdict::Proceed,
            (true, true) => Verdict::EndAfter,
            (true, false) => Verdict::EndBefore,
        }
    }
}

fn mix(acc: u64, v: u64) -> u64 {
    (acc ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

fn hash_text(s: &str) -> u64 {
    s.bytes().fold(7, |a, b| mix(a, u64::from(b)))
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |a, b| mix(a, u64::from(*b)))
}

fn hash_wide(v: i128) -> u64 {
    mix(v as u64, (v >> 64) as u64)
}

/// Bytes that depend on `acc`.
fn content(acc: u64, len: usize) -> Vec<u8> {
    acc.to_le_bytes().into_iter().cycle().take(len).collect()
}

/// Small numbers become ones that need 128 bits, without losing their order; large ones wrap around soon.
fn stretch(small: i64) -> i128 {
    i128::from(small) * (1 << 66)
}

/// A key of the keyed containers, ordered as the number.
fn key(k: u32) -> [u8; 5] {
    let [a, b, c, d] = k.to_be_bytes();
    [a, b, c, d, 7]
}

fn number(key: &[u8; 5]) -> u32 {
    let [a, b, c, d, _] = *key;
    u32::from_be_bytes([a, b, c, d])
}

/// How a transaction or frame ends early, in the interpreter's own words.
enum End {
    Revert(u32, String),
    Fatal,
}

/// What a run left behind, comparable byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Result {
    pub outcomes: Vec<std::result::Result<u64, (u32, String)>>,
    pub fatal_at: Option<usize>,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct State {
    pub cells: Vec<u64>,
    pub sums: Vec<i64>,
    pub map: BTreeMap<u32, u64>,
    pub texts: BTreeMap<u32, String>,
    pub list: Vec<u64>,
    pub bag: Vec<String>,
    pub memory: BTreeMap<u32, Vec<u8>>,
    pub wide: BTreeMap<u32, i128>,
    /// The same two as the changes tell them.
    pub told: (BTreeMap<u32, Vec<u8>>, BTreeMap<u32, i128>),
}

impl State {
    fn new(keys: usize) -> State {
        State {
            cells: (0..keys as u64).collect(),
            sums: vec![50; keys],
            map: (0..keys as u32).step_by(2).map(|k| (k, u64::from(k))).collect(),
            texts: BTreeMap::new(),
            list: vec![1, 2, 3],
            bag: Vec::new(),
            memory: (0..keys as u32).step_by(3).map(|k| (k, vec![k as u8; k as usize % 50])).collect(),
            wide: (0..keys as u32).step_by(2).map(|k| (k, i128::from(k) - 3)).collect(),
            told: Default::default(),
        }
    }

    /// What the changes should have told.
    fn told(mut self) -> State {
        self.told = (self.memory.clone(), self.wide.clone());
        self
    }

    fn step(&mut self, keys: usize, op: &Op, acc: &mut u64, depth: u32) -> std::result::Result<(), End> {
        match op {
            Op::Read(k) => *acc = mix(*acc, self.cells[k % keys]),
            Op::Write(k, c) => self.cells[k % keys] = acc.wrapping_add(*c),
            Op::WriteIfOdd(k) => {
                if *acc & 1 == 1 {
                    self.cells[k % keys] = *acc;
                }
            }
            Op::ReadChosen => *acc = mix(*acc, self.cells[*acc as usize % keys]),
            Op::WriteChosen(c) => self.cells[*acc as usize % keys] = mix(*acc, *c),
            Op::Add(k, d) => self.sums[k % keys] = self.sums[k % keys].wrapping_add(*d),
            Op::TryAdd(k, d, lo, hi) => {
                let next = i128::from(self.sums[k % keys]) + i128::from(*d);
                let fits = i128::from(*lo) <= next && next <= i128::from(*hi);
                if fits {
                    self.sums[k % keys] = next as i64;
                }
                *acc = mix(*acc, u64::from(fits));
            }
            Op::Sum(k) => *acc = mix(*acc, self.sums[k % keys] as u64),
            Op::SetSum(k, v) => self.sums[k % keys] = v.wrapping_add((*acc % 10) as i64),
            Op::MapGet(k) => *acc = mix(*acc, self.map.get(k).map_or(1, |v| v ^ 2)),
            Op::MapHas(k) => *acc = mix(*acc, u64::from(self.map.contains_key(k))),
            Op::MapInsert(k) => {
                self.map.insert(*k, *acc);
            }
            Op::MapRemove(k) => {
                self.map.remove(k);
            }
            Op::MapRange(a, b) => {
                for (k, v) in self.map.iter().filter(|(k, _)| (a..b).contains(k)) {
                    *acc = mix(*acc, u64::from(*k) ^ v);
                }
            }
            Op::MapFirst(a) => *acc = mix(*acc, self.map.range(a..).next().map_or(9, |(k, v)| u64::from(*k) ^ v)),
            Op::MapSwap(k) => {
                let old = self.map.insert(*k, *acc);
                *acc = mix(*acc, old.unwrap_or(6));
            }
            Op::MapTake(k) => *acc = mix(*acc, self.map.remove(k).unwrap_or(8)),
            Op::MapBump(k) => {
                let new = self.map.get(k).map_or(1, |v| v.wrapping_add(*acc));
                self.map.insert(*k, new);
                *acc = mix(*acc, new);
            }
            Op::MapBack(a, b) => {
                for (k, v) in self.map.iter().rev().filter(|(k, _)| (a..b).contains(k)) {
                    *acc = mix(*acc, u64::from(*k) ^ v);
                }
            }
            Op::MapLast(b) => *acc = mix(*acc, self.map.range(..b).next_back().map_or(9, |(k, v)| u64::from(*k) ^ v)),
            Op::MapLen => *acc = mix(*acc, self.map.len() as u64),
            Op::MapNone => *acc = mix(*acc, u64::from(self.map.is_empty())),
            Op::TextSwap(k) => {
                let old = self.texts.insert(*k, format!("s{acc}"));
                *acc = mix(*acc, old.map_or(2, |s| hash_text(&s)));
            }
            Op::TextGet(k) => *acc = mix(*acc, self.texts.get(k).map_or(3, |s| hash_text(s))),
            Op::TextSet(k) => {
                self.texts.insert(*k, format!("t{acc}"));
            }
            Op::TextRemove(k) => {
                self.texts.remove(k);
            }
            Op::Push => self.list.push(*acc),
            Op::Pop => *acc = mix(*acc, self.list.pop().unwrap_or(5)),
            Op::Len => *acc = mix(*acc, self.list.len() as u64),
            Op::Get(i) => *acc = mix(*acc, self.list.get(*i as usize).copied().unwrap_or(4)),
            Op::Set(i) => match self.list.get_mut(*i as usize) {
                Some(v) => *v = *acc,
                None => {
                    return Err(End::Revert(
                        Revert::BOUNDS,
                        format!("cannot set element {i}: beyond the end of the vector"),
                    ));
                }
            },
            Op::BagPush => self.bag.push(format!("b{acc}")),
            Op::BagItems => {
                for s in &self.bag {
                    *acc = mix(*acc, hash_text(s));
                }
            }
            Op::MemRead(k) => *acc = mix(*acc, self.memory.get(k).map_or(11, |v| hash_bytes(v))),
            Op::MemLen(k) => *acc = mix(*acc, self.memory.get(k).map_or(12, |v| v.len() as u64)),
            Op::MemHas(k) => *acc = mix(*acc, u64::from(self.memory.contains_key(k))),
            Op::MemSet(k, len) => {
                self.memory.insert(*k, content(*acc, *len));
            }
            Op::MemSame(k) => {
                self.memory.insert(*k, content(u64::from(*k), 45));
            }
            Op::MemUnset(k) => {
                self.memory.remove(k);
            }
            Op::MemBump(k) => {
                let mut value = self.memory.get(k).cloned().unwrap_or_default();
                value.push(*acc as u8);
                *acc = mix(*acc, hash_bytes(&value));
                self.memory.insert(*k, value);
            }
            Op::WideGet(k) => *acc = mix(*acc, self.wide.get(k).map_or(13, |v| hash_wide(*v))),
            Op::WideHas(k) => *acc = mix(*acc, u64::from(self.wide.contains_key(k))),
            Op::WideAdd(k, d) => {
                let sum = self.wide.entry(*k).or_default();
                *sum = sum.wrapping_add(stretch(*d));
            }
            Op::WideTry(k, d, lo, hi) => {
                let next = self.wide.get(k).copied().unwrap_or(0).checked_add(stretch(*d));
                let fits = next.filter(|n| (stretch(*lo)..=stretch(*hi)).contains(n));
                if let Some(next) = fits {
                    self.wide.insert(*k, next);
                }
                *acc = mix(*acc, u64::from(fits.is_some()));
            }
            Op::WideSet(k, v) => {
                self.wide.insert(*k, stretch(*v) + i128::from(*acc % 10));
            }
            Op::WideUnset(k) => {
                self.wide.remove(k);
            }
            Op::Frame(ops, m, r) => {
                if depth >= 64 {
                    *acc = mix(*acc, u64::from(Revert::DEPTH));
                    return Ok(());
                }
                let before = self.clone();
                match self.run(keys, ops, acc, depth + 1) {
                    Ok(()) if *acc % m == *r => {
                        *self = before;
                        *acc = mix(*acc, 77);
                    }
                    Ok(()) => {}
                    Err(End::Revert(code, _)) => {
                        *self = before;
                        *acc = mix(*acc, u64::from(code));
                    }
                    Err(fatal) => return Err(fatal),
                }
            }
            Op::Marked(ops, m, r) => {
                let before = self.clone();
                self.run(keys, ops, acc, depth)?;
                if *acc % m == *r {
                    *self = before;
                    *acc = mix(*acc, 78);
                }
            }
            Op::RevertIf(m, r) => {
                if *acc % m == *r {
                    return Err(End::Revert(5, format!("acc {acc}")));
                }
            }
            Op::PanicIf(m, r) => {
                if *acc % m == *r {
                    // Not stopped by frames: carried as a code that only whole transactions produce.
                    return Err(End::Revert(Revert::PANIC, format!("panic at {acc}")));
                }
            }
            Op::FatalIf(m, r) => {
                if *acc % m == *r {
                    return Err(End::Fatal);
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, keys: usize, ops: &[Op], acc: &mut u64, depth: u32) -> std::result::Result<(), End> {
        ops.iter().try_for_each(|op| self.step(keys, op, acc, depth))
    }
}

/// Frames must not swallow panics, so the interpreter refuses programs with panics inside frames.
fn has_panic(ops: &[Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::PanicIf(..) => true,
        Op::Frame(inner, ..) | Op::Marked(inner, ..) => has_panic(inner),
        _ => false,
    })
}

/// The interpreter.
pub fn interpret(p: &Program) -> Result {
    let mut state = State::new(p.keys);
    let mut outcomes = Vec::new();
    let mut total = 0;
    for (i, ops) in p.txs.iter().enumerate() {
        assert!(!ops.iter().any(|op| matches!(op, Op::Frame(inner, ..) | Op::Marked(inner, ..) if has_panic(inner))));
        let before = state.clone();
        let mut acc = i as u64;
        let outcome = match state.run(p.keys, ops, &mut acc, 0) {
            Ok(()) => Ok(acc),
            Err(End::Revert(code, why)) => {
                state = before.clone();
                Err((code, why))
            }
            Err(End::Fatal) => return Result { outcomes, fatal_at: Some(i), state: before.told() },
        };
        total += match &outcome {
            Ok(acc) => acc % 16,
            Err((Revert::PANIC, _)) => 0,
            Err(_) => ops.len() as u64,
        };
        let verdict = p.limit.map_or(Verdict::Proceed, |limit| Program::ends(limit, total));
        if verdict == Verdict::EndBefore {
            state = before;
            break;
        }
        outcomes.push(outcome);
        if verdict == Verdict::EndAfter {
            break;
        }
    }
    Result { outcomes, fatal_at: None, state: state.told() }
}

/// The same world in an engine.
#[derive(Clone)]
pub struct World {
    keys: usize,
    cells: Vec<TxCell<u64>>,
    sums: Vec<TxCounter>,
    map: TxMap<u32, u64>,
    texts: TxMap<u32, String>,
    list: TxVec<u64>,
    bag: TxBag<String>,
    memory: TxMemory<5>,
    wide: TxCounters<5>,
    /// What lies below the last two, as the changes have told it.
    disk: Arc<Disk>,
    /// Not 0: transactions give up the processor before every eighth step or so, chosen by this number. On a machine
    /// with fewer processors than workers nothing else makes short transactions overlap. Never visible in results.
    pub jitter: u64,
}

impl World {
    pub fn new(stm: &mut Stm, keys: usize) -> World {
        let s = State::new(keys);
        let disk = Arc::new(Disk::new(
            s.memory.iter().map(|(k, v)| (key(*k), v.clone())).collect(),
            s.wide.iter().map(|(k, v)| (key(*k), *v)).collect(),
        ));
        // A budget that holds a few keys, so that others go and come back.
        let budget = 1_500;
        World {
            memory: stm.memory_over(disk.clone(), budget),
            wide: stm.counters_over(disk.clone(), budget),
            disk,
            keys,
            cells: s.cells.iter().map(|v| stm.cell(*v)).collect(),
            sums: s.sums.iter().map(|v| stm.counter(*v)).collect(),
            map: stm.map_from(s.map),
            texts: stm.map(),
            list: stm.vec(s.list),
            bag: stm.bag(),
            jitter: 0,
        }
    }

    fn step(&self, tx: &mut replicode_stm::Tx<'_>, op: &Op, acc: &mut u64) -> TxResult<()> {
        let keys = self.keys;
        match op {
            Op::Read(k) => *acc = mix(*acc, self.cells[k % keys].get(tx)?),
            Op::Write(k, c) => self.cells[k % keys].set(tx, acc.wrapping_add(*c))?,
            Op::WriteIfOdd(k) => {
                if *acc & 1 == 1 {
                    self.cells[k % keys].set(tx, *acc)?;
                }
            }
            Op::ReadChosen => *acc = mix(*acc, self.cells[*acc as usize % keys].get(tx)?),
            Op::WriteChosen(c) => self.cells[*acc as usize % keys].set(tx, mix(*acc, *c))?,
            Op::Add(k, d) => self.sums[k % keys].add(tx, *d)?,
            Op::TryAdd(k, d, lo, hi) => *acc = mix(*acc, u64::from(self.sums[k % keys].try_add(tx, *d, *lo..=*hi)?)),
            Op::Sum(k) => *acc = mix(*acc, self.sums[k % keys].get(tx)? as u64),
            Op::SetSum(k, v) => self.sums[k % keys].set(tx, v.wrapping_add((*acc % 10) as i64))?,
            Op::MapGet(k) => *acc = mix(*acc, self.map.get(tx, k)?.map_or(1, |v| v ^ 2)),
            Op::MapHas(k) => *acc = mix(*acc, u64::from(self.map.contains_key(tx, k)?)),
            Op::MapInsert(k) => self.map.set(tx, *k, *acc)?,
            Op::MapRemove(k) => self.map.unset(tx, k)?,
            Op::MapSwap(k) => *acc = mix(*acc, self.map.insert(tx, *k, *acc)?.unwrap_or(6)),
            Op::MapTake(k) => *acc = mix(*acc, self.map.remove(tx, k)?.unwrap_or(8)),
            Op::MapBump(k) => {
                let new = self.map.update(tx, *k, |old| old.map_or(1, |v| v.wrapping_add(*acc)))?;
                *acc = mix(*acc, new);
            }
            Op::MapBack(a, b) => {
                for (k, v) in self.map.range_back(tx, *a..*b)? {
                    *acc = mix(*acc, u64::from(k) ^ v);
                }
            }
            Op::MapLast(b) => *acc = mix(*acc, self.map.last_in(tx, ..*b)?.map_or(9, |(k, v)| u64::from(k) ^ v)),
            Op::MapLen => *acc = mix(*acc, self.map.len(tx)?),
            Op::MapNone => *acc = mix(*acc, u64::from(self.map.is_empty(tx)?)),
            Op::TextSwap(k) => {
                let old = self.texts.insert(tx, *k, format!("s{acc}"))?;
                *acc = mix(*acc, old.map_or(2, |s| hash_text(&s)));
            }
            Op::MapRange(a, b) => {
                for (k, v) in self.map.range(tx, *a..*b)? {
                    *acc = mix(*acc, u64::from(k) ^ v);
                }
            }
            Op::MapFirst(a) => *acc = mix(*acc, self.map.first_in(tx, *a..)?.map_or(9, |(k, v)| u64::from(k) ^ v)),
            Op::TextGet(k) => *acc = mix(*acc, self.texts.get(tx, k)?.map_or(3, |s| hash_text(&s))),
            Op::TextSet(k) => self.texts.set(tx, *k, format!("t{acc}"))?,
            Op::TextRemove(k) => self.texts.unset(tx, k)?,
            Op::Push => {
                self.list.push(tx, *acc)?;
            }
            Op::Pop => *acc = mix(*acc, self.list.pop(tx)?.unwrap_or(5)),
            Op::Len => *acc = mix(*acc, self.list.len(tx)?),
            Op::Get(i) => *acc = mix(*acc, self.list.get(tx, *i)?.unwrap_or(4)),
            Op::Set(i) => self.list.set(tx, *i, *acc)?,
            Op::BagPush => self.bag.push(tx, format!("b{acc}"))?,
            Op::BagItems => {
                for s in self.bag.items(tx)? {
                    *acc = mix(*acc, hash_text(&s));
                }
            }
            Op::MemRead(k) => {
                *acc = mix(*acc, self.memory.read(tx, &key(*k), |v| v.map_or(11, hash_bytes))?);
            }
            Op::MemLen(k) => *acc = mix(*acc, self.memory.len(tx, &key(*k))?.map_or(12, |n| n as u64)),
            Op::MemHas(k) => *acc = mix(*acc, u64::from(self.memory.contains_key(tx, &key(*k))?)),
            Op::MemSet(k, len) => self.memory.set(tx, &key(*k), &content(*acc, *len))?,
            Op::MemSame(k) => self.memory.set(tx, &key(*k), &content(u64::from(*k), 45))?,
            Op::MemUnset(k) => self.memory.unset(tx, &key(*k))?,
            Op::MemBump(k) => {
                let at = self.memory.at(tx, &key(*k))?;
                let mut value = at.get(tx)?.unwrap_or_default();
                value.push(*acc as u8);
                at.set(tx, &value)?;
                *acc = mix(*acc, at.read(tx, |v| v.map_or(0, hash_bytes))?);
            }
            Op::WideGet(k) => *acc = mix(*acc, self.wide.get(tx, &key(*k))?.map_or(13, hash_wide)),
            Op::WideHas(k) => *acc = mix(*acc, u64::from(self.wide.contains_key(tx, &key(*k))?)),
            Op::WideAdd(k, d) => self.wide.at(tx, &key(*k))?.add(tx, stretch(*d))?,
            Op::WideTry(k, d, lo, hi) => {
                let fits = self.wide.try_add(tx, &key(*k), stretch(*d), stretch(*lo)..=stretch(*hi))?;
                *acc = mix(*acc, u64::from(fits));
            }
            Op::WideSet(k, v) => self.wide.set(tx, &key(*k), stretch(*v) + i128::from(*acc % 10))?,
            Op::WideUnset(k) => self.wide.unset(tx, &key(*k))?,
            Op::Frame(ops, m, r) => {
                let mut inner = *acc;
                let done = tx.frame(|tx| {
                    for op in ops {
                        self.step(tx, op, &mut inner)?;
                    }
                    if inner % m == *r {
                        return Err(Stop::revert(77, "frame"));
                    }
                    Ok(())
                })?;
                *acc = inner;
                if let Err(why) = done {
                    *acc = mix(*acc, u64::from(why.code()));
                }
            }
            Op::Marked(ops, m, r) => {
                let mark = tx.mark()?;
                for op in ops {
                    self.step(tx, op, acc)?;
                }
                if *acc % m == *r {
                    tx.roll_back(&mark)?;
                    *acc = mix(*acc, 78);
                }
                tx.release(mark)?;
            }
            Op::RevertIf(m, r) => {
                if *acc % m == *r {
                    return Err(Stop::revert(5, format!("acc {acc}")));
                }
            }
            Op::PanicIf(m, r) => assert!(*acc % m != *r, "panic at {acc}"),
            Op::FatalIf(m, r) => {
                if *acc % m == *r {
                    return Err(Stop::fatal("asked for"));
                }
            }
        }
        Ok(())
    }

    pub fn transaction(&self, tx: &mut replicode_stm::Tx<'_>, i: usize, ops: &[Op]) -> TxResult<u64> {
        let mut acc = i as u64;
        tx.weigh(ops.len() as u64);
        for (k, op) in ops.iter().enumerate() {
            if self.jitter != 0 && mix(self.jitter ^ i as u64, k as u64) & 7 == 0 {
                std::thread::yield_now();
            }
            self.step(tx, op, &mut acc)?;
        }
        tx.weigh(acc % 16);
        Ok(acc)
    }

    /// The changes since this was last asked for, on to what lies below; or only looked at.
    pub fn persist(&self, stm: &mut Stm, forget: bool) {
        self.disk.take(stm.changes(&self.memory).iter(), stm.counter_changes(&self.wide).iter(), forget);
        if forget {
            stm.forget_changes(&self.memory);
            stm.forget_counter_changes(&self.wide);
        }
    }

    /// Everything that there is, as a transaction sees it.
    fn read(&self, tx: &mut replicode_stm::Tx<'_>) -> TxResult<State> {
        let mut list = Vec::new();
        for i in 0..self.list.len(tx)? {
            list.extend(self.list.get(tx, i)?);
        }
        let (mut memory, mut wide) = (BTreeMap::new(), BTreeMap::new());
        // Every key that may be there, with or without a value.
        for k in 0..128 {
            memory.extend(self.memory.get(tx, &key(k))?.map(|v| (k, v)));
            wide.extend(self.wide.get(tx, &key(k))?.map(|v| (k, v)));
        }
        Ok(State {
            cells: self.cells.iter().map(|c| c.get(tx)).collect::<TxResult<_>>()?,
            sums: self.sums.iter().map(|c| c.get(tx)).collect::<TxResult<_>>()?,
            map: self.map.range(tx, ..)?.into_iter().collect(),
            texts: self.texts.range(tx, ..)?.into_iter().collect(),
            list,
            bag: self.bag.items(tx)?,
            memory,
            wide,
            told: self.disk.told(number),
        })
    }

    pub fn state(&self, stm: &mut Stm) -> State {
        stm.run(|tx| self.read(tx)).unwrap().committed().unwrap()
    }
}

/// Runs a program on an engine, as one batch or cut into several.
pub fn execute(p: &Program, builder: &Builder, batches: usize) -> (Result, replicode_stm::Stats) {
    // A hang becomes a dump and a failure, in every test.
    let watched = builder.clone().watchdog(std::time::Duration::from_secs(30), |dump| {
        eprintln!("{dump}");
        std::process::abort();
    });
    let mut stm = watched.build().unwrap();
    let got = execute_on(&mut stm, p, batches, 0);
    (got, stm.stats())
}

/// The same on an engine that may have run other programs before: it gets a world of its own in there.
pub fn execute_on(stm: &mut Stm, p: &Program, batches: usize, jitter: u64) -> Result {
    let mut w = World::new(stm, p.keys);
    w.jitter = jitter;
    let jobs: Vec<(usize, &Vec<Op>)> = p.txs.iter().enumerate().collect();
    let runs = Contexts::new(|_worker| 0u64);
    let mut total = 0;
    let mut outcomes = Vec::new();
    let mut fatal_at = None;
    let size = p.txs.len().div_ceil(batches).max(1);
    for chunk in jobs.chunks(size) {
        let result = match p.limit {
            None => stm.execute(chunk, |tx, (i, ops)| w.transaction(tx, *i, ops)),
            Some(limit) => {
                let hook = |turn: Turn| {
                    total += turn.weight;
                    Program::ends(limit, total)
                };
                stm.execute_until(chunk, &runs, hook, |tx, runs, (i, ops)| {
                    *runs += 1;
                    w.transaction(tx, *i, ops)
                })
            }
        };
        let (done, at) = match result {
            Ok(done) => (done, None),
            Err(stopped) => (stopped.outcomes, Some(stopped.at)),
        };
        let before = outcomes.len();
        let cut = at.is_none() && done.len() < chunk.len();
        // With one key changes add up over batches; and the last ones are always told.
        w.persist(stm, p.keys > 1 || cut || at.is_some() || before + chunk.len() == jobs.len());
        outcomes.extend(done.into_iter().map(|o| match o {
            Outcome::Committed(acc) => Ok(acc),
            Outcome::Reverted(why) => Err((why.code(), why.reason().to_string())),
        }));
        if let Some(at) = at {
            fatal_at = Some(before + at);
            break;
        }
        if cut || p.limit.is_some_and(|limit| Program::ends(limit, total) == Verdict::EndAfter) {
            break;
        }
    }
    w.persist(stm, true);
    // Views see what the next transaction sees, and leave nothing behind.
    if p.keys == 10
        && let Some(ops) = p.txs.first()
    {
        let _ = stm.view(|tx| w.transaction(tx, 0, ops));
    }
    let seen = stm.view(|tx| w.read(tx)).unwrap().committed();
    let state = w.state(stm);
    assert!(seen.as_ref() == Some(&state), "a view saw {seen:?} instead of {state:?}");
    Result { outcomes, fatal_at, state }
}

/// Test closures panic on purpose, thousands of times: keep that out of the output.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload().downcast_ref::<String>().cloned().unwrap_or_default();
        if !text.starts_with("panic at ") {
            eprintln!("{info}");
        }
    }));
}
