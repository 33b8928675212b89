//! `genesis.bin`: what a cell consists of, under the number of the format that its node's directory is written in.
//!
//! ```text
//! offset  size  field
//!      0     8  magic "replgene"
//!      8     4  format of the data directory, little-endian: 4
//!     12     …  the cluster configuration, borsh
//! ```
//!
//! Format 1 had neither magic nor number; in format 2 the image of the files named no preopened directories; in format 3 the
//! configuration did not say who made it. A directory of another format is refused by both numbers: a log is replayed by the
//! kind of program that wrote it.

use anyhow::{Context, Result, bail};
use replicode_log::{ClusterConfig, codec};
use std::path::Path;

const MAGIC: &[u8; 8] = b"replgene";
/// Raised whenever anything in a data directory is written in another way.
const FORMAT: u32 = 4;
const HEADER: usize = 12;
/// The most bytes that the file may have.
pub const MAX_LEN: usize = HEADER + ClusterConfig::MAX_ENCODED;

/// The content of the file.
#[must_use]
pub fn encode(config: &ClusterConfig) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &FORMAT.to_le_bytes()].concat();
    bytes.extend(codec::encode(config));
    bytes
}

/// Reads it back; `path` is for messages.
///
/// # Errors
/// When the directory has another format, or the file is damaged or contradicts itself.
pub fn decode(bytes: &[u8], path: &Path) -> Result<ClusterConfig> {
    let format = match bytes.split_at_checked(HEADER) {
        Some((header, _)) if header.starts_with(MAGIC) => {
            header[MAGIC.len()..].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
        }
        _ => 1,
    };
    if format != FORMAT {
        let dir = path.parent().unwrap_or(path);
        let damaged = if format == 1 { ", or genesis.bin is damaged" } else { "" };
        bail!(
            "{} is a data directory of format {format}{damaged}; this replicode ({}) reads format {FORMAT}: use the \
             replicode that made it, or begin a new cell in another directory",
            dir.display(),
            env!("CARGO_PKG_VERSION")
        );
    }
    let config: ClusterConfig = codec::decode("genesis.bin", &bytes[HEADER..], ClusterConfig::MAX_ENCODED)
        .with_context(|| format!("{} is damaged", path.display()))?;
    config.validate().with_context(|| format!("{} contradicts itself", path.display()))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_refused_by_number() {
        let path = Path::new("data/genesis.bin");
        let message = |bytes: &[u8]| decode(bytes, path).err().map(|error| format!("{error:#}")).unwrap_or_default();
        let old = message(&[7; 200]);
        assert!(old.starts_with("data is a data directory of format 1") && old.contains("reads format 4"), "{old}");
        assert!(message(b"").contains("format 1, or genesis.bin is damaged"));
        let mut newer = [&MAGIC[..], &(FORMAT + 1).to_le_bytes()].concat();
        assert!(message(&newer).contains("is a data directory of format 5;"), "{}", message(&newer));
        newer[8] = 4;
        assert!(message(&newer).starts_with("data/genesis.bin is damaged"), "{}", message(&newer));
    }
}
