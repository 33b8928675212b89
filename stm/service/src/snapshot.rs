//! A snapshot as bytes: a state, and where in the log it stands.
//!
//! Drawn in `docs/formats/counter-log.md`. One digest covers all of it: a snapshot is whole or refused.

use crate::segment::other_version;
use crate::state::{State, take, take_u64};

const MAGIC: &[u8; 8] = b"RCCSNAP1";
const VERSION: u32 = 1;
const SEAL: usize = 32;

/// What replaces the segments before `next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The log's id.
    pub(crate) id: [u8; 16],
    /// The first segment that is not covered.
    pub(crate) next: u64,
    /// The seal of the last block that is covered.
    pub(crate) chain: [u8; 32],
    /// The state after it.
    pub state: State,
}

impl Snapshot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = self.state.encode();
        let mut out = Vec::with_capacity(96 + body.len() + SEAL);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.next.to_le_bytes());
        out.extend_from_slice(&self.chain);
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(&body);
        let seal = blake3::hash(&out);
        out.extend_from_slice(seal.as_bytes());
        out
    }

    /// # Errors
    /// What is wrong with these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Snapshot, String> {
        let damaged = |why: &str| Err(why.to_string());
        if !bytes.starts_with(MAGIC) {
            return damaged("it does not begin with the mark of a counter snapshot");
        }
        let Some((content, seal)) = bytes.split_last_chunk::<SEAL>() else {
            return damaged("it is shorter than a snapshot");
        };
        if blake3::hash(content).as_bytes() != seal {
            return damaged("its digest does not match");
        }
        let mut rest = content.get(MAGIC.len()..).unwrap_or_default();
        let version = take(&mut rest).map_or(0, u32::from_le_bytes);
        if version != VERSION {
            return Err(other_version(version, VERSION));
        }
        let parse = |b: &mut &[u8]| {
            take::<4>(b)?;
            let (id, next, chain, len) = (take(b)?, take_u64(b)?, take(b)?, take_u64(b)?);
            let state = (b.len() as u64 == len).then(|| State::decode(b))??;
            Some(Snapshot { id, next, chain, state })
        };
        parse(&mut rest).ok_or_else(|| "it holds no state".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::History;

    #[test]
    fn comes_back_and_every_flipped_bit_and_every_cut_is_seen() {
        let mut state = State::empty(History::default());
        state.counters.push(("key".into(), 7));
        let snapshot = Snapshot { id: [1; 16], next: 4, chain: [2; 32], state };
        let bytes = snapshot.encode();
        assert_eq!(Snapshot::decode(&bytes), Ok(snapshot));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Snapshot::decode(&bad).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(Snapshot::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
