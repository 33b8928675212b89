//! Disks on which something rots. Of a log only what was synced and is followed by another group that was: damage to the very last
//! group cannot be told from a crash, and is no promise of anybody's.

use crate::plan::Rot;
use crate::world::seeds::Stream;
use bytes::Bytes;
use replicode_store::head::HEAD;
use replicode_store::record;
use replicode_store::segment::{self, HEADER, Header};
use replicode_store::sim_disk::SimDisk;

const SECTOR: usize = 512;

/// The bytes of a segment that may rot: from, to.
fn used(name: &str, bytes: &[u8], last: bool) -> Option<(usize, usize)> {
    let seed = Header::decode(name, bytes.get(..HEADER)?).ok()?.seed();
    let (mut at, mut group, mut begins) = (HEADER, 0, HEADER);
    while let Some(len) = bytes.get(at..at + record::HEADER).and_then(record::length_of)
        && let Some(bytes) = at.checked_add(len).and_then(|end| bytes.get(at..end))
        && let Some(verified) = record::verify(seed, &Bytes::copy_from_slice(bytes), 0, at as u64)
    {
        if verified.group != group {
            (group, begins) = (verified.group, at);
        }
        at += verified.len;
    }
    let end = if last { begins } else { at };
    // A header alone, where nothing follows it, may rot too.
    Some(if end > HEADER { (HEADER, end) } else { (0, HEADER) })
}

/// Lets a place rot that a number draws. Answers what was done; nothing where there is no log.
pub fn rot(disk: &SimDisk, rot: Rot, number: u64) -> Option<String> {
    let mut draws = Stream::new(number, &[30]);
    let mut segments: Vec<u64> = disk.durable_names().iter().filter_map(|name| segment::parse_name(name)).collect();
    segments.sort_unstable();
    let newest = *segments.last()?;
    let name = match draws.range(0, 10) {
        0 => HEAD.to_string(),
        1..4 => segment::name(*draws.pick(&segments)),
        _ => segment::name(newest),
    };
    let (from, to) = disk.durable(&name, |bytes| {
        if name == HEAD { Some((0, bytes.len())) } else { used(&name, bytes, name == segment::name(newest)) }
    })??;
    let before = disk.durable(&name, <[u8]>::to_vec)?;
    let at = draws.range(from as u64, to as u64) as usize;
    let (first, end) = ((at / SECTOR * SECTOR).max(from), ((at / SECTOR + 1) * SECTOR).min(to));
    let mut sector = before.get(first..end)?.to_vec();
    match rot {
        Rot::Flip => sector[at - first] ^= 1 << draws.range(0, 8),
        Rot::Zeros => sector.fill(0),
        Rot::Garbage => draws.fill(&mut sector),
        Rot::Misplaced => {
            let other = draws.range(0, (before.len() / SECTOR).max(1) as u64) as usize * SECTOR;
            let source = before.get(other..).unwrap_or_default();
            for (byte, wrong) in sector.iter_mut().zip(source) {
                *byte = *wrong;
            }
        }
        // Segments are made of zeros, and written once: what was there before is a beginning, and zeros.
        Rot::Stale => sector[at - first..].fill(0),
    }
    if sector == before[first..end] {
        sector[at - first] ^= 1;
    }
    disk.alter(&name, |bytes| bytes[first..end].copy_from_slice(&sector));
    Some(format!("{name}, bytes {first} to {end}"))
}
