//! The file that says that a log was begun in this folder, so that a log whose files are gone is not taken for a new one.
//!
//! Drawn in `docs/formats/counter-log.md`. It is written once, after the first segment and before anybody is answered;
//! a folder that lacks it although it holds a log (a crash between the two, an older program) gets it at the next start.

use crate::state::take;

/// Its name.
pub(crate) const FOUNDED: &str = "founded";
const MAGIC: &[u8; 8] = b"RCCBEGUN";
const CHECK: usize = 16;

/// The file of the log with this id.
pub(crate) fn encode(id: &[u8; 16]) -> Vec<u8> {
    let mut out = [&MAGIC[..], id].concat();
    let check = blake3::hash(&out);
    out.extend_from_slice(&check.as_bytes()[..CHECK]);
    out
}

/// The id in it.
///
/// # Errors
/// What is wrong with these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<[u8; 16], &'static str> {
    let mut rest = bytes;
    if take(&mut rest) != Some(*MAGIC) {
        return Err("it does not begin as a file of that name does");
    }
    let id: Option<[u8; 16]> = take(&mut rest);
    match id {
        Some(id) if bytes == encode(&id) => Ok(id),
        _ => Err("its check does not match"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_every_flipped_bit_and_every_cut_is_seen() {
        let bytes = encode(&[7; 16]);
        assert_eq!(decode(&bytes), Ok([7; 16]));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(decode(&[bytes, vec![0]].concat()).is_err());
    }
}
