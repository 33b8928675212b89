//! What the logical clients of a load ask: a mix of operations over some keys, all of it a function of a seed.
//!
//! Every written value is unique and names the request that wrote it, so that whoever reads it can tell whose it is:
//! `RUN-CLIENT-SEQ`, then dots up to the wanted size. The dots are left out in histories, after they have been checked.

use crate::history::Op;
use std::fmt::{self, Write};
use std::str::FromStr;

/// How often which operation is asked, in parts of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Parts for put, get, delete, cas.
    parts: [u32; 4],
}

const OPS: [Op; 4] = [Op::Put, Op::Get, Op::Delete, Op::Cas];

impl Default for Mix {
    fn default() -> Self {
        Self { parts: [50, 40, 0, 10] }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = [0u32; 4];
        for part in text.split(',') {
            let wrong =
                || format!("a mix is written as put=50,get=40,cas=10, with put, get, delete and cas; not '{part}'");
            let (name, share) = part.split_once('=').ok_or_else(wrong)?;
            let at = OPS.iter().position(|op| op.name() == name).ok_or_else(wrong)?;
            parts[at] = share.parse().ok().filter(|share| *share <= 1_000_000).ok_or_else(wrong)?;
        }
        if parts.iter().sum::<u32>() == 0 {
            return Err(format!("the mix '{text}' holds nothing: at least one part must be more than 0"));
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = OPS.iter().zip(self.parts).map(|(op, part)| format!("{}={part}", op.name())).collect();
        f.write_str(&parts.join(","))
    }
}

/// xorshift64*, seeded through splitmix64: fast, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of their own for each of several `numbers` of one seed.
    #[must_use]
    pub fn new(seed: u64, number: u64) -> Self {
        let mut z = seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    /// A number below `sides` (which is not 0).
    pub fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * u64::from(sides)) >> 32) as u32
    }
}

/// A load's settings.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The mix of operations.
    pub mix: Mix,
    /// How many keys.
    pub keys: u32,
    /// Bytes of a value; shorter only than its own name.
    pub value_bytes: usize,
    /// Names the run: two runs with one name would write the same values.
    pub run: String,
}

impl Workload {
    /// The next operation and its key.
    pub fn next(&self, dice: &mut Dice) -> (Op, u32) {
        let mut at = dice.roll(self.mix.parts.iter().sum());
        let mut op = Op::Put;
        for (share, candidate) in self.mix.parts.iter().zip(OPS) {
            if at < *share {
                op = candidate;
                break;
            }
            at -= share;
        }
        (op, dice.roll(self.keys))
    }

    /// Writes the name of a key.
    pub fn key(&self, number: u32, out: &mut String) {
        out.clear();
        // Writing to a string does not fail.
        let _ = write!(out, "key:{number:08}");
    }

    /// Writes the value of a request, without its dots.
    pub fn name_of(&self, client: u64, seq: u64, out: &mut String) {
        out.clear();
        let _ = write!(out, "{}-{client}-{seq}", self.run);
    }

    /// Writes the value of a request.
    pub fn value(&self, client: u64, seq: u64, out: &mut String) {
        self.name_of(client, seq, out);
        self.dots(out);
    }

    /// Writes the value of that name.
    pub fn fill(&self, name: &str, out: &mut String) {
        out.clear();
        out.push_str(name);
        self.dots(out);
    }

    fn dots(&self, out: &mut String) {
        const DOTS: &str = "................................................................";
        while out.len() < self.value_bytes {
            out.push_str(&DOTS[..DOTS.len().min(self.value_bytes - out.len())]);
        }
    }

    /// The name in a value, if the rest of it is as it was written.
    #[must_use]
    pub fn name<'a>(&self, value: &'a [u8]) -> Option<&'a str> {
        let name = value.split(|b| *b == b'.').next().unwrap_or_default();
        let dots = &value[name.len()..];
        let whole = value.len() == self.value_bytes.max(name.len()) && dots.iter().all(|b| *b == b'.');
        std::str::from_utf8(name).ok().filter(|_| whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_what_it_says() {
        assert_eq!("put=50,get=40,cas=10".parse::<Mix>().unwrap(), Mix::default());
        let mix: Mix = "delete=7,put=1".parse().unwrap();
        assert_eq!(mix.to_string().parse::<Mix>().unwrap(), mix);
        for wrong in ["", "put", "put=x", "set=1", "put=0", "put=-1", "put=50;get=50"] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
        let workload = Workload {
            mix: "put=1,get=2,delete=3,cas=4".parse().unwrap(),
            keys: 10,
            value_bytes: 0,
            run: String::new(),
        };
        let mut dice = Dice::new(7, 0);
        let (mut ops, mut keys) = ([0u32; 4], [0u32; 10]);
        for _ in 0..100_000 {
            let (op, key) = workload.next(&mut dice);
            ops[OPS.iter().position(|o| *o == op).unwrap()] += 1;
            keys[key as usize] += 1;
        }
        for (n, wanted) in ops.iter().zip([10_000, 20_000, 30_000, 40_000]) {
            assert!(n.abs_diff(wanted) < 1000, "{ops:?}");
        }
        assert!(keys.iter().all(|n| n.abs_diff(10_000) < 1000), "{keys:?}");
    }

    #[test]
    fn a_seed_says_it_all() {
        let rolls = |seed, number| {
            let mut dice = Dice::new(seed, number);
            (0..20).map(|_| dice.roll(1000)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(1, 2), rolls(1, 2));
        assert_ne!(rolls(1, 2), rolls(1, 3));
        assert_ne!(rolls(1, 2), rolls(2, 2));
    }

    #[test]
    fn a_value_names_its_request_and_shows_when_it_is_damaged() {
        let workload = Workload { mix: Mix::default(), keys: 1, value_bytes: 24, run: "r1".to_owned() };
        let mut value = String::new();
        workload.value(3, 12, &mut value);
        assert_eq!(value, "r1-3-12.................");
        assert_eq!(workload.name(value.as_bytes()), Some("r1-3-12"));
        assert_eq!(workload.name(&value.as_bytes()[..23]), None);
        assert_eq!(workload.name(value.replace("..", ".x").as_bytes()), None);
        let long = Workload { value_bytes: 3, ..workload };
        long.value(3, 12, &mut value);
        assert_eq!(value, "r1-3-12");
        assert_eq!(long.name(value.as_bytes()), Some("r1-3-12"));
    }
}
