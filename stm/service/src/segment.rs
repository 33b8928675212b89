//! One file of the log as bytes: a header, then blocks, each sealed by a digest that chains to the one before.
//!
//! Drawn in `docs/formats/counter-log.md`. Everything here is a function of bytes; files are `log`'s affair.

use crate::counters::{Increment, Operation};
use crate::limits::History;
use crate::state::{take, take_key, take_u64};

/// Bytes of a segment's header.
pub const HEADER: usize = 128;
/// Largest body of a block. One write in flight is never larger, so a longer unreadable tail cannot be a torn one.
pub const MAX_BODY: usize = 16 << 20;
/// Where in the header the mark stands: how far the segment was acknowledged.
pub(crate) const MARK_AT: usize = 112;

const MAGIC: &[u8; 8] = b"RCCOUNT1";
const VERSION: u32 = 2;
/// Length and count of a block.
const HEAD: usize = 8;
const SEAL: usize = 32;
/// Bytes of the largest block.
pub(crate) const MAX_BLOCK_BYTES: usize = HEAD + MAX_BODY + SEAL;

const INCREMENT: u8 = 1;
const OPEN: u8 = 2;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Drawn when the log was made; the same in all its files.
    pub(crate) id: [u8; 16],
    /// From 1, without a gap.
    pub(crate) number: u64,
    /// Blocks before it.
    pub(crate) blocks: u64,
    /// The seal of the last block before it.
    pub(crate) chain: [u8; 32],
    pub(crate) limits: History,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER as u32).to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.chain);
        out.extend_from_slice(&self.limits.max_keys.to_le_bytes());
        out.extend_from_slice(&self.limits.max_sessions.to_le_bytes());
        let check = blake3::hash(&out);
        out.extend_from_slice(&check.as_bytes()[..16]);
        out.extend_from_slice(&self.mark(HEADER as u64));
        let mut all = [0; HEADER];
        all.copy_from_slice(&out);
        all
    }

    /// The header at the front of these bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, String> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
            return Err("it is shorter than a header".to_string());
        };
        let mut rest = &header[..];
        if take(&mut rest) != Some(*MAGIC) {
            return Err("it does not begin with the mark of a counter log".to_string());
        }
        let version = take(&mut rest).map_or(0, u32::from_le_bytes);
        if version != VERSION {
            return Err(other_version(version, VERSION));
        }
        if blake3::hash(&header[..96]).as_bytes()[..16] != header[96..MARK_AT] {
            return Err("the check of its header does not match".to_string());
        }
        let parse = |b: &mut &[u8]| {
            take::<4>(b)?;
            Some(Header {
                id: take(b)?,
                number: take_u64(b)?,
                blocks: take_u64(b)?,
                chain: take(b)?,
                limits: History { max_keys: take_u64(b)?, max_sessions: take_u64(b)? }.check().ok()?,
            })
        };
        parse(&mut rest).ok_or_else(|| "its header holds limits that no log can have".to_string())
    }

    /// The mark for "acknowledged up to byte `len`", to be written at [`MARK_AT`].
    pub(crate) fn mark(&self, len: u64) -> [u8; 16] {
        let mut mark = [0; 16];
        mark[..8].copy_from_slice(&len.to_le_bytes());
        mark[8..].copy_from_slice(&self.mark_check(len));
        mark
    }

    fn mark_check(&self, len: u64) -> [u8; 8] {
        let mut hash = blake3::Hasher::new();
        hash.update(b"mark").update(&self.id).update(&self.number.to_le_bytes()).update(&len.to_le_bytes());
        let mut check = [0; 8];
        check.copy_from_slice(&hash.finalize().as_bytes()[..8]);
        check
    }

    /// How far this segment was certainly acknowledged.
    ///
    /// The mark is a lower bound, written without a sync. It lies within one sector, which a disk writes whole or not at
    /// all, so no crash makes one whose check fails. Taken for "nothing", such a mark would let a damaged first block
    /// pass for a torn write, and everything behind it would be cut.
    ///
    /// # Errors
    /// Its check does not match.
    pub(crate) fn acknowledged(&self, bytes: &[u8]) -> Result<u64, &'static str> {
        let mut mark = bytes.get(MARK_AT..HEADER).unwrap_or_default();
        match (take_u64(&mut mark), take::<8>(&mut mark)) {
            (Some(len), Some(check)) if check == self.mark_check(len) => Ok(len),
            _ => Err("the check of its mark, of how far it was acknowledged, does not match"),
        }
    }
}

/// What is said of a file of another version of its format.
pub(crate) fn other_version(found: u32, known: u32) -> String {
    format!("it says format version {found}, this program reads version {known}: use the program that wrote it")
}

fn encode(op: &Operation, out: &mut Vec<u8>) {
    match op {
        Operation::Increment(i) => {
            out.push(INCREMENT);
            out.extend_from_slice(&i.session.to_le_bytes());
            out.extend_from_slice(&i.sequence.to_le_bytes());
            out.extend_from_slice(&i.by.to_le_bytes());
            out.extend_from_slice(&(i.key.len() as u16).to_le_bytes());
            out.extend_from_slice(i.key.as_bytes());
        }
        Operation::Open => out.push(OPEN),
        Operation::Get(_) => {}
    }
}

fn decode(mut body: &[u8], count: u32) -> Option<Vec<Operation>> {
    let b = &mut body;
    let mut out = Vec::new();
    for _ in 0..count {
        let [kind] = take(b)?;
        out.push(match kind {
            INCREMENT => {
                let [session, sequence] = [take_u64(b)?, take_u64(b)?];
                let by = i64::from_le_bytes(take(b)?);
                Operation::Increment(Increment { session, sequence, by, key: take_key(b)? })
            }
            OPEN => Operation::Open,
            _ => return None,
        });
    }
    b.is_empty().then_some(out)
}

fn seal_of(chain: &[u8; 32], block: &[u8]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(chain);
    hash.update(block);
    *hash.finalize().as_bytes()
}

/// Puts the logged operations of a block into `out`, sealed. Returns the seal; `None` if there is nothing to log.
///
/// # Errors
/// The length of a body that is too long.
pub(crate) fn seal(ops: &[Operation], chain: &[u8; 32], out: &mut Vec<u8>) -> Result<Option<[u8; 32]>, usize> {
    out.clear();
    out.extend_from_slice(&[0; HEAD]);
    let mut count = 0u32;
    for op in ops.iter().filter(|op| op.is_logged()) {
        encode(op, out);
        count += 1;
    }
    if count == 0 {
        return Ok(None);
    }
    let len = out.len() - HEAD;
    if len > MAX_BODY {
        return Err(len);
    }
    out[..4].copy_from_slice(&(len as u32).to_le_bytes());
    out[4..HEAD].copy_from_slice(&count.to_le_bytes());
    let seal = seal_of(chain, out);
    out.extend_from_slice(&seal);
    Ok(Some(seal))
}

/// What stands at the front of some bytes of a segment.
pub(crate) enum Next {
    /// Nothing: the segment ends here.
    End,
    /// A block: its operations, its bytes, its seal.
    Block(Vec<Operation>, usize, [u8; 32]),
    /// No block.
    Unreadable {
        /// In words.
        why: &'static str,
        /// Whether one write that did not complete explains all bytes from here to the end.
        one_write: bool,
    },
}

pub(crate) fn next(bytes: &[u8], chain: &[u8; 32]) -> Next {
    if bytes.is_empty() {
        return Next::End;
    }
    let unreadable = |why, most: usize| Next::Unreadable { why, one_write: bytes.len() <= most };
    let mut rest = bytes;
    let (Some(len), Some(count)) = (take(&mut rest), take(&mut rest)) else {
        return unreadable("half a header of a block", MAX_BLOCK_BYTES);
    };
    let (len, count) = (u32::from_le_bytes(len) as usize, u32::from_le_bytes(count));
    // Zeros are what a file system shows of a write whose length arrived and whose bytes did not.
    if len == 0 || len > MAX_BODY || count == 0 || count as usize > len {
        return unreadable("the header of a block that cannot be", MAX_BLOCK_BYTES);
    }
    let whole = HEAD + len + SEAL;
    let (Some(body), Some(found)) = (rest.get(..len), rest.get(len..len + SEAL)) else {
        return unreadable("half a block", whole);
    };
    let seal = seal_of(chain, &bytes[..HEAD + len]);
    if found != seal {
        return unreadable("a block whose seal does not match", whole);
    }
    match decode(body, count) {
        Some(ops) => Next::Block(ops, whole, seal),
        // The seal is right, so this was written like that: no torn write.
        None => unreadable("a sealed block that cannot be decoded", 0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { id: [7; 16], number: 3, blocks: 10, chain: [9; 32], limits: History::default() }
    }

    #[test]
    fn headers_come_back_and_every_flipped_bit_is_seen() {
        let bytes = header().encode();
        assert_eq!(Header::decode(&bytes), Ok(header()));
        assert_eq!(header().acknowledged(&bytes), Ok(HEADER as u64));
        for bit in 0..MARK_AT * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad).is_err(), "bit {bit}");
        }
        let mut marked = bytes;
        marked[MARK_AT..].copy_from_slice(&header().mark(5000));
        assert_eq!(header().acknowledged(&marked), Ok(5000));
        for bit in MARK_AT * 8..HEADER * 8 {
            let mut bad = marked;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(header().acknowledged(&bad).is_err(), "bit {bit} of the mark");
        }
        assert!(Header { number: 4, ..header() }.acknowledged(&marked).is_err(), "the mark of another segment");
    }

    #[test]
    fn blocks_come_back_in_order_only() {
        let inc = |n| Operation::Increment(Increment { key: format!("key{n}"), by: -3, session: 9, sequence: n });
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let ops = [inc(1), Operation::Get("x".into()), Operation::Open, inc(2)];
        let first = seal(&ops, &[1; 32], &mut a).unwrap().unwrap();
        let Next::Block(found, len, chain) = next(&a, &[1; 32]) else { panic!("unreadable") };
        assert_eq!((found, len, chain), (vec![inc(1), Operation::Open, inc(2)], a.len(), first));
        seal(&[inc(3)], &first, &mut b).unwrap().unwrap();
        assert!(matches!(next(&b, &first), Next::Block(..)));
        assert!(matches!(next(&b, &[1; 32]), Next::Unreadable { one_write: true, .. }), "the seal chains");
        let both = [a, b].concat();
        assert!(matches!(next(&both, &first), Next::Unreadable { one_write: false, .. }), "something follows");
        assert_eq!(seal(&[Operation::Get("x".into())], &first, &mut Vec::new()), Ok(None));
        assert!(matches!(next(&[0; 500], &first), Next::Unreadable { one_write: true, .. }), "zeros may be one write");
    }
}
