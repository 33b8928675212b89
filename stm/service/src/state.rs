//! The whole state as bytes: what snapshots hold and roots digest.
//!
//! ```text
//! state   = max keys u64 | max sessions u64 | blocks u64 | next session u64
//!         | number of sessions u64 | session*        ascending by id
//!         | number of keys u64 | key*                ascending by bytes
//! session = id u64 | last u64 | used u64 | floor u64 | n u16 | refused u64, n times, ascending
//! key     = length u16 | bytes (UTF-8) | value i64                        all little endian
//! root    = blake3(state)
//! ```
//!
//! There is exactly one encoding of a state, so equal states have equal roots, and decoding refuses everything else.

use crate::limits::{HARD_MAX_KEY, History, MAX_REFUSED};

/// A remembered session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Given out by the server, from 1.
    pub id: u64,
    /// The highest number that was decided.
    pub last: u64,
    /// The block in which it was last named: what decides who is forgotten first.
    pub used: u64,
    /// Answers to numbers below are forgotten.
    pub floor: u64,
    /// Numbers from `floor` on that were refused, ascending. All others up to `last` count.
    pub refused: Vec<u64>,
}

/// Everything that the log has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The limits that decide answers.
    pub limits: History,
    /// Logged blocks so far.
    pub blocks: u64,
    /// The id that the next session gets.
    pub next_session: u64,
    /// Ascending by id.
    pub sessions: Vec<SessionState>,
    /// Ascending by key.
    pub counters: Vec<(String, i64)>,
}

/// Takes `N` bytes off the front.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

pub(crate) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

pub(crate) fn take_key(bytes: &mut &[u8]) -> Option<String> {
    let len = usize::from(u16::from_le_bytes(take(bytes)?));
    if len == 0 || len > HARD_MAX_KEY || len > bytes.len() {
        return None;
    }
    let (key, rest) = bytes.split_at(len);
    *bytes = rest;
    String::from_utf8(key.to_vec()).ok()
}

impl State {
    /// Before the first block.
    #[must_use]
    pub fn empty(limits: History) -> State {
        State { limits, blocks: 0, next_session: 1, sessions: Vec::new(), counters: Vec::new() }
    }

    /// Hands the encoding to `put`, piece by piece.
    fn write(&self, put: &mut dyn FnMut(&[u8])) {
        for n in [self.limits.max_keys, self.limits.max_sessions, self.blocks, self.next_session] {
            put(&n.to_le_bytes());
        }
        put(&(self.sessions.len() as u64).to_le_bytes());
        for s in &self.sessions {
            for n in [s.id, s.last, s.used, s.floor] {
                put(&n.to_le_bytes());
            }
            put(&(s.refused.len() as u16).to_le_bytes());
            s.refused.iter().for_each(|n| put(&n.to_le_bytes()));
        }
        put(&(self.counters.len() as u64).to_le_bytes());
        for (key, value) in &self.counters {
            put(&(key.len() as u16).to_le_bytes());
            put(key.as_bytes());
            put(&value.to_le_bytes());
        }
    }

    /// The encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut |bytes| out.extend_from_slice(bytes));
        out
    }

    /// The digest of the encoding.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        self.write(&mut |bytes| {
            hash.update(bytes);
        });
        *hash.finalize().as_bytes()
    }

    /// The state of an encoding; `None` for anything that [`State::encode`] does not make.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<State> {
        let b = &mut bytes;
        let limits = History { max_keys: take_u64(b)?, max_sessions: take_u64(b)? }.check().ok()?;
        let (blocks, next_session) = (take_u64(b)?, take_u64(b)?);
        let (mut sessions, mut counters) = (Vec::<SessionState>::new(), Vec::<(String, i64)>::new());
        for _ in 0..take_u64(b)? {
            let [id, last, used, floor] = [take_u64(b)?, take_u64(b)?, take_u64(b)?, take_u64(b)?];
            let n = usize::from(u16::from_le_bytes(take(b)?));
            let refused: Vec<u64> = (0..n).map(|_| take_u64(b)).collect::<Option<_>>()?;
            let ascending = refused.is_sorted_by(|a, b| a < b) && sessions.last().is_none_or(|s| s.id < id);
            let sane = n <= MAX_REFUSED && refused.iter().all(|r| (floor..=last).contains(r)) && used <= blocks;
            if !ascending || !sane || id >= next_session {
                return None;
            }
            sessions.push(SessionState { id, last, used, floor, refused });
        }
        for _ in 0..take_u64(b)? {
            let (key, value) = (take_key(b)?, i64::from_le_bytes(take(b)?));
            if counters.last().is_some_and(|(before, _)| *before >= key) {
                return None;
            }
            counters.push((key, value));
        }
        let fits = sessions.len() as u64 <= limits.max_sessions && counters.len() as u64 <= limits.max_keys;
        (b.is_empty() && fits).then_some(State { limits, blocks, next_session, sessions, counters })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            limits: History { max_keys: 3, max_sessions: 2 },
            blocks: 9,
            next_session: 5,
            sessions: vec![
                SessionState { id: 2, last: 7, used: 9, floor: 3, refused: vec![3, 6] },
                SessionState { id: 4, last: 0, used: 8, floor: 0, refused: vec![] },
            ],
            counters: vec![("a".into(), -1), ("b".into(), i64::MAX), ("é".into(), 0)],
        }
    }

    #[test]
    fn comes_back_and_nothing_else_decodes() {
        let bytes = state().encode();
        assert_eq!(State::decode(&bytes), Some(state()));
        assert_eq!(state().root(), *blake3::hash(&bytes).as_bytes());
        for cut in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(State::decode(&[bytes.clone(), vec![0]].concat()), None);
        // Whatever decodes is the encoding of what it decodes to.
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            if let Some(s) = State::decode(&other) {
                assert_eq!(s.encode(), other, "bit {bit}");
            }
        }
    }

    #[test]
    fn every_field_is_in_the_root() {
        let mut roots = std::collections::BTreeSet::from([state().root()]);
        let mut differs = |change: &dyn Fn(&mut State)| {
            let mut s = state();
            change(&mut s);
            assert!(roots.insert(s.root()));
        };
        differs(&|s| s.limits.max_keys = 4);
        differs(&|s| s.limits.max_sessions = 4);
        differs(&|s| s.blocks = 10);
        differs(&|s| s.next_session = 6);
        differs(&|s| s.sessions[0].last = 8);
        differs(&|s| s.sessions[0].used = 8);
        differs(&|s| s.sessions[0].floor = 2);
        differs(&|s| s.sessions[0].refused = vec![3, 5]);
        differs(&|s| drop(s.sessions.pop()));
        differs(&|s| s.counters[0].1 = -2);
        differs(&|s| drop(s.counters.pop()));
    }
}
