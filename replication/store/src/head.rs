//! The head: a small file that says which segment is the newest, so that a newest segment that is gone is missed.
//!
//! ```text
//! offset  bytes
//!      0      8  magic "replhead"
//!      8     16  incarnation of the log
//!     24      8  generation of the newest segment that may hold records
//!     32      4  CRC-32C of the bytes before
//! ```
//!
//! A segment is begun in this order: its file is durable under its name, the head names it, its first group is written.
//! So the head never names a segment that was not there, and a segment that it does not name yet holds nothing.

use crate::LogError;
use crate::disk::Disk;
use bytes::BufMut;
use std::io;

/// The file's name.
pub const HEAD: &str = "head";
/// Where its next content is prepared.
pub const NEXT: &str = "head.new";
const MAGIC: &[u8; 8] = b"replhead";
const LEN: usize = 36;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of the log it belongs to.
    pub incarnation: [u8; 16],
    /// The newest segment that may hold records.
    pub generation: u64,
}

impl Head {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.incarnation);
        out.put_u64_le(self.generation);
        out.put_u32_le(crc32c::crc32c(&out));
        out
    }

    fn decode(bytes: &[u8; LEN]) -> Option<Self> {
        let (content, crc) = bytes.split_at(LEN - 4);
        let (mut incarnation, mut generation) = ([0; 16], [0; 8]);
        incarnation.copy_from_slice(&content[8..24]);
        generation.copy_from_slice(&content[24..]);
        let whole = content.starts_with(MAGIC) && crc == crc32c::crc32c(content).to_le_bytes();
        whole.then(|| Self { incarnation, generation: u64::from_le_bytes(generation) })
    }

    /// Reads it; `None` if there is none.
    ///
    /// # Errors
    /// [`LogError::Damage`] when it is not as it was written.
    pub fn read(disk: &dyn Disk) -> Result<Option<Self>, LogError> {
        let damage = |what: &str| LogError::Damage { file: HEAD.to_string(), offset: 0, what: what.to_string() };
        let failed = |why| LogError::io(format!("read {HEAD} in {}", disk.place()), why);
        let file = match disk.open(HEAD) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(failed(why)),
        };
        if file.len().map_err(failed)? != LEN as u64 {
            return Err(damage(&format!("its length is not {LEN}")));
        }
        let mut bytes = [0; LEN];
        file.read_at(&mut bytes, 0).map_err(failed)?;
        Self::decode(&bytes).map(Some).ok_or_else(|| damage("its checksum is wrong"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_disk::SimDisk;
    use crate::tests::note;

    #[test]
    fn it_is_read_back_and_every_flipped_bit_is_noticed() {
        let disk = SimDisk::new();
        assert!(matches!(Head::read(&disk), Ok(None)));
        let head = Head { incarnation: [3; 16], generation: 77 };
        note(&disk, &head);
        assert_eq!(Head::read(&disk).ok().flatten(), Some(head));
        let bytes = disk.bytes(HEAD).unwrap_or_default();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            disk.put(HEAD, damaged);
            assert!(matches!(Head::read(&disk), Err(LogError::Damage { .. })), "bit {bit}");
        }
        disk.put(HEAD, bytes[..20].to_vec());
        assert!(matches!(Head::read(&disk), Err(LogError::Damage { .. })));
    }
}
