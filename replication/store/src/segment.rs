//! The bytes of a segment's header, and the names of segment files.
//!
//! ```text
//! offset  bytes
//!      0      8  magic "replclog"
//!      8      4  format version, 1
//!     12      4  length of this header, 4096
//!     16     16  cluster
//!     32      8  node
//!     40     32  digest of the cluster's configuration
//!     72     32  engine fingerprint
//!    104     16  incarnation: drawn when the log was made, the same in all its segments
//!    120      8  generation: number of the segment, from 1 without a gap
//!    128      8  index of the next entry when the segment was begun
//!    136     32  hash chain at the end of the segment before
//!    168      8  bytes that the file was made with: a shorter file has lost some
//!    176   3916  zero
//!   4092      4  CRC-32C of the bytes before
//! ```

use crate::LogError;
use crate::record::{Chain, Seed};
use bytes::{Buf, BufMut};
use replicode_log::{Digest, NodeId};

/// Bytes of a header; the first record follows.
pub const HEADER: usize = 4096;
/// The format that this program writes.
pub const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"replclog";
/// The name of a segment that is prepared and not yet in use.
pub const SPARE: &str = "spare";

/// What all nodes of a cluster must have in common. Compared with the log on disk at start, and with each peer when
/// they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The cell's random number, `ClusterConfig::cluster`.
    pub cluster: [u8; 16],
    /// `ClusterConfig::digest()`: also the parent of the first batch.
    pub config: Digest,
    /// Fingerprint of engine version and settings.
    pub engine: Digest,
}

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node.
    pub node: NodeId,
    /// The cluster it belongs to.
    pub identity: ClusterIdentity,
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose log it is.
    pub owner: Owner,
    /// Drawn when the log was made.
    pub incarnation: [u8; 16],
    /// The segment's number.
    pub generation: u64,
    /// Index of the next entry when the segment was begun.
    pub next_index: u64,
    /// The chain at the end of the segment before.
    pub previous: Chain,
    /// Bytes of the file when the segment was begun.
    pub capacity: u64,
}

/// The chain before the first record of a log.
#[must_use]
pub fn genesis(owner: &Owner, incarnation: &[u8; 16]) -> Chain {
    let node = owner.node.get().to_le_bytes();
    Chain(Digest::chain(owner.identity.config, &[&owner.identity.cluster, &node, incarnation]))
}

/// The file name of a segment.
#[must_use]
pub fn name(generation: u64) -> String {
    format!("{generation:012}.log")
}

/// The generation that a file name stands for, if it is a segment's.
#[must_use]
pub fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl Header {
    /// The seed of the segment's checksums.
    #[must_use]
    pub fn seed(&self) -> Seed {
        Seed::new(&self.owner.identity.cluster, self.generation)
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.put_u32_le(VERSION);
        out.put_u32_le(HEADER as u32);
        out.extend_from_slice(&self.owner.identity.cluster);
        out.put_u64_le(self.owner.node.get());
        out.extend_from_slice(self.owner.identity.config.bytes());
        out.extend_from_slice(self.owner.identity.engine.bytes());
        out.extend_from_slice(&self.incarnation);
        out.put_u64_le(self.generation);
        out.put_u64_le(self.next_index);
        out.extend_from_slice(self.previous.0.bytes());
        out.put_u64_le(self.capacity);
        out.resize(HEADER - 4, 0);
        out.put_u32_le(crc32c::crc32c(&out));
        out
    }

    /// Reads a header. Whether it is the expected one is another question: see [`Header::check`].
    ///
    /// # Errors
    /// [`LogError::Damage`] when it is not a whole header; [`LogError::Version`] when it is one of another format.
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Self, LogError> {
        let damage = |what: &str| LogError::Damage { file: file.to_string(), offset: 0, what: what.to_string() };
        let Some(header) = bytes.get(..HEADER) else {
            return Err(damage("the file is shorter than a segment's header"));
        };
        if &header[..8] != MAGIC {
            return Err(damage("it does not begin like a log segment"));
        }
        let mut rest = &header[8..];
        let version = rest.get_u32_le();
        if version != VERSION {
            return Err(LogError::Version { file: file.to_string(), version, known: VERSION });
        }
        let crc = u32::from_le_bytes([header[HEADER - 4], header[HEADER - 3], header[HEADER - 2], header[HEADER - 1]]);
        if crc32c::crc32c(&header[..HEADER - 4]) != crc {
            return Err(damage("the header's checksum is wrong"));
        }
        let _header_len = rest.get_u32_le();
        let cluster = take::<16>(&mut rest);
        let node = NodeId::new(rest.get_u64_le()).map_err(|error| damage(&error.to_string()))?;
        let config = Digest::from_bytes(take(&mut rest));
        let engine = Digest::from_bytes(take(&mut rest));
        let incarnation = take(&mut rest);
        let (generation, next_index) = (rest.get_u64_le(), rest.get_u64_le());
        let previous = Chain(Digest::from_bytes(take(&mut rest)));
        let capacity = rest.get_u64_le();
        let owner = Owner { node, identity: ClusterIdentity { cluster, config, engine } };
        Ok(Self { owner, incarnation, generation, next_index, previous, capacity })
    }

    /// Checks whose log it is.
    ///
    /// # Errors
    /// [`LogError::Foreign`] names what differs.
    pub fn check(&self, file: &str, owner: &Owner) -> Result<(), LogError> {
        let foreign = |what, found: String, expected: String| {
            Err(LogError::Foreign { file: file.to_string(), what, found, expected })
        };
        let (found, expected) = (&self.owner.identity, &owner.identity);
        if found.cluster != expected.cluster {
            return foreign("cluster", hex(&found.cluster), hex(&expected.cluster));
        }
        if self.owner.node != owner.node {
            return foreign("node", self.owner.node.to_string(), owner.node.to_string());
        }
        if found.config != expected.config {
            return foreign("configuration", found.config.to_string(), expected.config.to_string());
        }
        if found.engine != expected.engine {
            return foreign("engine", found.engine.to_string(), expected.engine.to_string());
        }
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut out = [0; N];
    rest.copy_to_slice(&mut out);
    out
}

/// Hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let Ok(node) = NodeId::new(2) else { unreachable!("2 is a node number") };
        let identity = ClusterIdentity { cluster: [1; 16], config: Digest::of(b"c"), engine: Digest::of(b"e") };
        let owner = Owner { node, identity };
        let previous = Chain(Digest::of(b"p"));
        Header { owner, incarnation: [9; 16], generation: 3, next_index: 17, previous, capacity: 8192 }
    }

    #[test]
    fn round_trip_and_damage() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::decode("f", &bytes).ok(), Some(header()));
        for at in [0, 9, 20, 50, 100, 140, 200, 4095] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Header::decode("f", &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_foreign_log_is_named() {
        let mut owner = header().owner;
        assert!(header().check("f", &owner).is_ok());
        owner.identity.engine = Digest::of(b"other");
        assert!(matches!(header().check("f", &owner), Err(LogError::Foreign { what: "engine", .. })));
        owner.identity.cluster = [2; 16];
        assert!(matches!(header().check("f", &owner), Err(LogError::Foreign { what: "cluster", .. })));
    }

    #[test]
    fn names() {
        assert_eq!(parse_name(&name(7)), Some(7));
        assert_eq!(parse_name("7.log"), None);
        assert_eq!(parse_name("spare"), None);
    }
}
