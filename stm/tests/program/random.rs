//! Makes random programs, all from one seed.

use super::{Op, Program, mix};

/// A small generator for the command-line tools: no dependency, all from one seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(mix(seed, 0x1234_5678) | 1)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// Half of all choices fall on the first tenth.
    fn skewed(&mut self, n: u64) -> u64 {
        if self.below(2) == 0 { self.below(n.div_ceil(10)) } else { self.below(n) }
    }
}

fn op(r: &mut Random, keys: u64, depth: u32) -> Op {
    let k = r.skewed(keys) as usize;
    let m = r.skewed(keys.min(24)) as u32;
    match r.below(71) {
        68..=70 if depth < 3 => {
            let inner = (0..1 + r.below(4)).map(|_| op(r, keys, depth + 1)).collect();
            Op::Marked(inner, 2 + r.below(3), r.below(2))
        }
        48 | 49 => Op::MemRead(m),
        50 => Op::MemLen(m),
        51 => Op::MemHas(m),
        52 | 53 => Op::MemSet(m, [0, 1, 8, 32, 39, 40, 64, 300, 5_000][r.below(9) as usize]),
        54 => Op::MemSame(m),
        55 => Op::MemUnset(m),
        56 | 57 => Op::MemBump(m),
        58 | 59 => Op::WideGet(m),
        60 => Op::WideHas(m),
        61 | 62 => Op::WideAdd(m, r.below(20) as i64 - 10),
        63 | 64 => Op::WideTry(m, r.below(60) as i64 - 30, 0, 100),
        65 => Op::WideSet(m, r.below(50) as i64 - 25),
        66 => Op::WideUnset(m),
        0..=5 => Op::Read(k),
        6..=9 => Op::Write(k, r.below(100)),
        10..=12 => Op::WriteIfOdd(k),
        13 => Op::ReadChosen,
        14 => Op::WriteChosen(r.below(100)),
        15..=16 => Op::Add(k, r.below(20) as i64 - 10),
        17..=18 => Op::TryAdd(k, r.below(60) as i64 - 30, 0, 100),
        19 => Op::Sum(k),
        20 => Op::SetSum(k, r.below(50) as i64),
        21 => Op::MapGet(m),
        22 => Op::MapHas(m),
        23 => Op::MapInsert(m),
        24 => Op::MapRemove(m),
        25 => Op::MapRange(m, m + r.below(8) as u32),
        26 => Op::MapFirst(m),
        27 => Op::TextGet(m),
        28 => Op::TextSet(m),
        29 => Op::TextRemove(m),
        30 => match r.below(5) {
            0 => Op::Push,
            1 => Op::Pop,
            2 => Op::Len,
            3 => Op::Get(r.below(6)),
            _ => Op::Set(r.below(6)),
        },
        31 => Op::BagPush,
        32 if r.below(4) == 0 => Op::BagItems,
        33 => Op::RevertIf(2 + r.below(8), r.below(2)),
        34 if depth == 0 => Op::PanicIf(16 + r.below(16), 0),
        35 if r.below(12) == 0 => Op::FatalIf(64, 1),
        36..=38 if depth < 3 => {
            let n = 1 + r.below(4);
            let inner = (0..n).map(|_| op(r, keys, depth + 1)).collect();
            Op::Frame(inner, 2 + r.below(3), r.below(2))
        }
        40 => Op::MapSwap(m),
        41 => Op::MapTake(m),
        42 => Op::MapBump(m),
        43 => Op::MapBack(m, m + r.below(8) as u32),
        44 => Op::MapLast(m),
        45 if r.below(2) == 0 => Op::MapLen,
        45 => Op::MapNone,
        46 => Op::TextSwap(m),
        _ => Op::Read(k),
    }
}

/// Up to `txs` transactions on 1, 2, 10 or 100 skewed keys.
pub fn random_program(seed: u64, txs: u64) -> Program {
    let mut r = Random::new(seed);
    let keys = [1, 2, 10, 100][r.below(4) as usize];
    let n = 1 + r.below(txs);
    let txs = (0..n).map(|_| (0..1 + r.below(7)).map(|_| op(&mut r, keys, 0)).collect()).collect();
    let limit = (r.below(6) == 0).then(|| r.below(300));
    Program { keys: keys as usize, txs, limit }
}
