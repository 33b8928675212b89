//! A history and its results, and the files that they stand in (`docs/formats/golden.md`).
//!
//! What goes in never changes once it is recorded; what comes out is written anew with every blessing. So the two are two
//! files.

use anyhow::{Context, Result, bail};
use borsh::{BorshDeserialize, BorshSerialize};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use replicode_log::{Batch, ClusterConfig, Digest, FsImage, LogicalTime, Output, codec};
use std::io::{Read, Write};

/// Version of the files.
const VERSION: u32 = 1;
const HISTORY: &[u8; 8] = b"replgold";
const RESULTS: &[u8; 8] = b"replgres";
const HEADER: usize = 12;
/// The most bytes that a file may have, unpacked.
const MAX: usize = 64 << 20;

/// What recordings have in place of the engine fingerprint: the fingerprint contains the digest of what comes of them.
#[must_use]
pub fn stand_in() -> Digest {
    Digest::of(b"the engine of golden recordings")
}

/// Programs, each under the digest of its bytes.
pub type Modules = Vec<(Digest, Vec<u8>)>;

/// What goes into a cell: its configuration, its files, its batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The configuration, with [`stand_in`] as its engine.
    pub config: ClusterConfig,
    /// The files that it starts from.
    pub image: FsImage,
    /// The batches, from the first on.
    pub batches: Vec<Batch>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct HistoryOnDisk {
    config: ClusterConfig,
    image: FsImage,
    batches: Vec<Vec<u8>>,
}

impl History {
    /// Digest of everything in it; the modules are in it by their own digests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&codec::encode(&self.on_disk()))
    }

    fn on_disk(&self) -> HistoryOnDisk {
        let batches = self.batches.iter().map(Batch::encode).collect();
        HistoryOnDisk { config: self.config.clone(), image: self.image.clone(), batches }
    }

    /// The content of its file.
    ///
    /// # Errors
    /// Never in memory; the packer's type has errors.
    pub fn pack(&self) -> Result<Vec<u8>> {
        pack(HISTORY, &codec::encode(&self.on_disk()))
    }

    /// Reads a file's content back.
    ///
    /// # Errors
    /// When it is not such a file, or damaged.
    pub fn unpack(bytes: &[u8]) -> Result<Self> {
        let HistoryOnDisk { config, image, batches } =
            codec::decode("history", &unpack(HISTORY, bytes)?, MAX).context("cannot be read")?;
        let batches = batches.iter().map(|bytes| Batch::decode(bytes)).collect::<Result<_, _>>()?;
        Ok(Self { config, image, batches })
    }
}

/// One finished system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The process.
    pub pid: u32,
    /// Position of the import in the kernel's table.
    pub import: u16,
    /// The wasm result.
    pub result: i32,
    /// The lower half of the hash of all that the call was given and gave.
    pub hash: u32,
}

/// What one batch amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The digest of all history up to here.
    pub digest: Digest,
    /// What left the cell.
    pub outputs: Vec<Output>,
    /// When the next batch was due if nothing happened.
    pub deadline: Option<LogicalTime>,
    /// The system calls, in order.
    pub calls: Vec<Call>,
}

/// What a history amounted to, batch by batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results(pub Vec<Outcome>);

/// The results by columns, which pack better.
#[derive(BorshSerialize, BorshDeserialize, Default)]
struct ResultsOnDisk {
    digests: Vec<Digest>,
    deadlines: Vec<Option<LogicalTime>>,
    outputs: Vec<Vec<Output>>,
    counts: Vec<u32>,
    pids: Vec<u32>,
    imports: Vec<u16>,
    results: Vec<i32>,
    hashes: Vec<u32>,
}

impl Results {
    /// The digest of the whole history; the configuration's where there is no batch.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.last().map(|outcome| outcome.digest).unwrap_or_default()
    }

    /// The content of its file.
    ///
    /// # Errors
    /// Never in memory; the packer's type has errors.
    pub fn pack(&self) -> Result<Vec<u8>> {
        let mut columns = ResultsOnDisk::default();
        for outcome in &self.0 {
            columns.digests.push(outcome.digest);
            columns.deadlines.push(outcome.deadline);
            columns.outputs.push(outcome.outputs.clone());
            columns.counts.push(outcome.calls.len() as u32);
            for call in &outcome.calls {
                columns.pids.push(call.pid);
                columns.imports.push(call.import);
                columns.results.push(call.result);
                columns.hashes.push(call.hash);
            }
        }
        pack(RESULTS, &codec::encode(&columns))
    }

    /// Reads a file's content back.
    ///
    /// # Errors
    /// When it is not such a file, or damaged.
    pub fn unpack(bytes: &[u8]) -> Result<Self> {
        let it: ResultsOnDisk = codec::decode("results", &unpack(RESULTS, bytes)?, MAX).context("cannot be read")?;
        let batches = it.digests.len();
        let calls: usize = it.counts.iter().map(|count| *count as usize).sum();
        if [it.deadlines.len(), it.outputs.len(), it.counts.len()] != [batches; 3]
            || [it.pids.len(), it.imports.len(), it.results.len(), it.hashes.len()] != [calls; 4]
        {
            bail!("its columns have different lengths");
        }
        let columns = it.pids.into_iter().zip(it.imports).zip(it.results).zip(it.hashes);
        let mut calls = columns.map(|(((pid, import), result), hash)| Call { pid, import, result, hash });
        let rows = it.digests.into_iter().zip(it.deadlines).zip(it.outputs).zip(it.counts);
        let outcomes = rows.map(|(((digest, deadline), outputs), count)| Outcome {
            digest,
            outputs,
            deadline,
            calls: calls.by_ref().take(count as usize).collect(),
        });
        Ok(Self(outcomes.collect()))
    }
}

fn pack(magic: &[u8; 8], content: &[u8]) -> Result<Vec<u8>> {
    let header = [&magic[..], &VERSION.to_le_bytes()].concat();
    let mut packer = ZlibEncoder::new(header, Compression::best());
    packer.write_all(content)?;
    Ok(packer.finish()?)
}

fn unpack(magic: &[u8; 8], bytes: &[u8]) -> Result<Vec<u8>> {
    let Some((header, packed)) = bytes.split_at_checked(HEADER).filter(|(header, _)| header.starts_with(magic)) else {
        bail!("it does not begin with {}", magic.escape_ascii());
    };
    if header[magic.len()..] != VERSION.to_le_bytes() {
        bail!("it has version {:?}, this program reads {VERSION}", &header[magic.len()..]);
    }
    let mut content = Vec::new();
    ZlibDecoder::new(packed).take(MAX as u64 + 1).read_to_end(&mut content).context("it is damaged")?;
    Ok(content)
}

/// Packs the bytes of a module.
///
/// # Errors
/// Never in memory; the packer's type has errors.
pub fn pack_module(wasm: &[u8]) -> Result<Vec<u8>> {
    pack(b"replwasm", wasm)
}

/// The bytes of a packed module.
///
/// # Errors
/// When it is damaged.
pub fn unpack_module(bytes: &[u8]) -> Result<Vec<u8>> {
    unpack(b"replwasm", bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{ConsoleStream, Pid};

    #[test]
    fn results_come_back() {
        let call = |hash| Call { pid: 1, import: 7, result: -6, hash };
        let outcome = |n: u64, calls| Outcome {
            digest: Digest::of(&n.to_le_bytes()),
            outputs: vec![Output::Console {
                pid: Pid(1),
                stream: ConsoleStream::Stdout,
                bytes: vec![b'x'; n as usize],
            }],
            deadline: (n > 1).then(|| LogicalTime::from_nanos(n)),
            calls,
        };
        let results = Results(vec![outcome(1, vec![call(3), call(4)]), outcome(2, vec![]), outcome(3, vec![call(5)])]);
        let packed = results.pack().unwrap();
        assert_eq!(Results::unpack(&packed).unwrap(), results);
        assert!(Results::unpack(&packed[..packed.len() - 9]).is_err());
        assert!(History::unpack(&packed).unwrap_err().to_string().contains("does not begin with replgold"));
        let mut newer = packed;
        newer[8] = 2;
        assert!(Results::unpack(&newer).unwrap_err().to_string().contains("reads 1"));
    }
}
