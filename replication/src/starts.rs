//! Which start of each node is the newest that anybody here has heard of, so that one whose log has gone back in time gets no vote.
//!
//! A node that has lost part of its log may have forgotten what it acknowledged and whom it voted for; with its help a majority
//! could undo what was agreed on. Its log alone does not show it: an older one, or a new one, is as whole as any. So a node counts
//! its starts, durably before its first word, and draws a number for each. Both are told in the first words on every connection,
//! and, as the nonce of the boot that it asks for, through the log, so that those who had no word with it know them too. Whoever hears
//! of a start notes it, durably before he answers. A node that comes with an earlier start than the one noted, or with the same
//! count and another number, is told so, and nothing more is said to it.
//!
//! That covers a directory that is wiped or made anew, another one in its place, and a copy from before the node's last start. What
//! it cannot see is a copy that was made since: counted up, it is a start that nobody has heard of. That is noticed only where
//! histories meet (`network/histories.rs`).
//!
//! The file `starts`, beside the log:
//!
//! ```text
//! offset  bytes
//!      0      8  magic "replstrt"
//!      8      1  number of nodes
//!      9     16  for each, by its number: node u64, count u32, number u32
//!     ..      4  CRC-32C of the bytes before
//! ```
//!
//! All little-endian. The node's own line is its own count.

use bytes::{Buf, BufMut};
use replicode_log::NodeId;
use replicode_store::{Disk, LogError};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The file's name.
const STARTS: &str = "starts";
/// Where its next content is prepared.
const NEXT: &str = "starts.new";
const MAGIC: &[u8; 8] = b"replstrt";
const ROW: usize = 16;
/// A count and a number have so many bits, because a nonce carries both.
const BITS: u32 = 24;
const MOST: u32 = (1 << BITS) - 1;

/// A start of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The how many-th it is, from 1.
    pub count: u32,
    /// Drawn for it.
    pub number: u32,
}

impl Start {
    /// The start in which a boot was asked for.
    #[must_use]
    pub const fn of_nonce(nonce: u64) -> Self {
        Self { count: (nonce >> 40) as u32, number: (nonce >> 16) as u32 & MOST }
    }

    const fn nonce(self, turn: u16) -> u64 {
        (self.count as u64) << 40 | (self.number as u64) << 16 | turn as u64
    }

    /// As in the first words on a connection.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        (u128::from(self.count) | u128::from(self.number) << 64).to_le_bytes()
    }

    /// From there.
    ///
    /// # Errors
    /// When they are no start's.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, String> {
        let both = u128::from_le_bytes(bytes);
        let part = |part: u64| u32::try_from(part).ok().filter(|part| *part <= MOST);
        let start = part(both as u64).zip(part((both >> 64) as u64)).map(|(count, number)| Self { count, number });
        start.filter(|start| start.count > 0).ok_or_else(|| "it names no start of its own".to_string())
    }
}

/// What is known of a start that a node comes with.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It is the newest one.
    Known,
    /// It is newer than what was known.
    New,
    /// It is over, or never was.
    Past(Start),
}

type Table = BTreeMap<u64, Start>;

fn judge(table: &Table, node: u64, start: Start) -> News {
    match table.get(&node) {
        Some(known) if *known == start => News::Known,
        Some(known) if known.count >= start.count => News::Past(*known),
        Some(_) | None => News::New,
    }
}

/// Why a connection is not made.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The other node's log has gone back in time.
    Past(String),
    /// It cannot be noted that it is here.
    Unnoted(String),
}

/// See the module.
pub struct Starts {
    disk: Arc<dyn Disk>,
    own: Start,
    turn: AtomicU16,
    table: Mutex<Table>,
}

impl Starts {
    /// Counts this start of `node`, whose directory `disk` is, and notes it. `drawn`: a random number.
    ///
    /// # Errors
    /// [`LogError`]: the file is damaged, or the disk fails.
    pub fn begin(disk: Arc<dyn Disk>, node: NodeId, drawn: u32) -> Result<Self, LogError> {
        let mut table = read(&*disk)?;
        let before = table.get(&node.get()).map_or(0, |start| start.count);
        let own = Start { count: before.saturating_add(1).min(MOST), number: drawn & MOST };
        table.insert(node.get(), own);
        write(&*disk, &table)?;
        Ok(Self { disk, own, turn: AtomicU16::new(0), table: Mutex::new(table) })
    }

    /// This start.
    #[must_use]
    pub const fn own(&self) -> Start {
        self.own
    }

    /// A nonce for a boot that is asked for, other than the one before.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.own.nonce(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether a node that comes with `start` is to be listened to. When it returns `Ok`, the start is noted.
    ///
    /// # Errors
    /// What is wrong.
    pub fn meet(&self, node: NodeId, start: Start) -> Result<(), Unfit> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match judge(&table, node.get(), start) {
            News::Known => Ok(()),
            News::New => {
                let before = table.insert(node.get(), start);
                write(&*self.disk, &table).map_err(|error| {
                    match before {
                        Some(before) => table.insert(node.get(), before),
                        None => table.remove(&node.get()),
                    };
                    Unfit::Unnoted(error.to_string())
                })
            }
            News::Past(known) => Err(Unfit::Past(past(node, start, known))),
        }
    }

    /// The log has admitted a boot of a node. `Err`: it cannot be noted.
    ///
    /// # Errors
    /// As the disk says.
    pub fn heard(&self, node: NodeId, nonce: u64) -> Result<(), String> {
        match self.meet(node, Start::of_nonce(nonce)) {
            // Boots of the past come by when a log is applied again.
            Ok(()) | Err(Unfit::Past(_)) => Ok(()),
            Err(Unfit::Unnoted(why)) => Err(why),
        }
    }

    /// Whether a start needs no writing to be judged.
    #[must_use]
    pub fn is_known(&self, node: NodeId, start: Start) -> bool {
        judge(&self.table.lock().unwrap_or_else(PoisonError::into_inner), node.get(), start) != News::New
    }
}

fn past(node: NodeId, start: Start, known: Start) -> String {
    let (node, count) = (node.get(), start.count);
    let known = match known.count.cmp(&count) {
        std::cmp::Ordering::Equal => format!("another start {count} of node {node} ({:06x})", known.number),
        _ => format!("start {} of node {node}", known.count),
    };
    format!(
        "node {node} is in its start {count} ({:06x}), but {known} has been here: its directory was made anew, or replaced by an older \
         copy, so it may have forgotten what it acknowledged. it gets no vote: put its directory back as it was when the node last \
         stopped, or leave it down",
        start.number
    )
}

fn encode(table: &Table) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + 1 + table.len() * ROW + 4);
    out.extend_from_slice(MAGIC);
    // Nodes have numbers of one byte.
    out.put_u8(table.len() as u8);
    for (node, start) in table {
        out.put_u64_le(*node);
        out.put_u32_le(start.count);
        out.put_u32_le(start.number);
    }
    out.put_u32_le(crc32c::crc32c(&out));
    out
}

fn decode(bytes: &[u8]) -> Option<Table> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if *crc != crc32c::crc32c(content).to_le_bytes() {
        return None;
    }
    let (count, mut rows) = content.strip_prefix(MAGIC)?.split_first()?;
    (rows.len() == usize::from(*count) * ROW).then(|| {
        let mut row = || (rows.get_u64_le(), Start { count: rows.get_u32_le(), number: rows.get_u32_le() });
        (0..*count).map(|_| row()).collect()
    })
}

fn read(disk: &dyn Disk) -> Result<Table, LogError> {
    let damage = |what: &str| LogError::Damage { file: STARTS.to_string(), offset: 0, what: what.to_string() };
    let failed = |why| LogError::io(format!("read {STARTS} in {}", disk.place()), why);
    let file = match disk.open(STARTS) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(why) => return Err(failed(why)),
    };
    let len = file.len().map_err(failed)?;
    let largest = (MAGIC.len() + 1 + usize::from(u8::MAX) * ROW + 4) as u64;
    if len > largest {
        return Err(damage(&format!("it is longer than {largest} bytes")));
    }
    let mut bytes = vec![0; len as usize];
    file.read_at(&mut bytes, 0).map_err(failed)?;
    decode(&bytes).ok_or_else(|| damage("it is not as it was written"))
}

/// Durable when this returns; otherwise the one before or this one is there.
fn write(disk: &dyn Disk, table: &Table) -> Result<(), LogError> {
    let failed = |why| LogError::io(format!("note in {STARTS} in {} which nodes have started", disk.place()), why);
    let file = disk.create(NEXT).map_err(failed)?;
    file.write_at(&encode(table), 0).map_err(failed)?;
    file.sync().map_err(failed)?;
    disk.rename(NEXT, STARTS).map_err(failed)?;
    disk.sync_dir().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_store::sim_disk::SimDisk;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).unwrap_or_else(|_| unreachable!("a small number"))
    }

    fn begin(disk: &SimDisk, drawn: u32) -> Starts {
        Starts::begin(Arc::new(disk.clone()), node(1), drawn).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn starts_are_counted_and_remembered() {
        let disk = SimDisk::new();
        let first = begin(&disk, 0xff00_0007);
        assert_eq!(first.own(), Start { count: 1, number: 7 });
        assert_eq!(first.meet(node(2), Start { count: 4, number: 9 }), Ok(()));
        assert_ne!(first.nonce(), first.nonce(), "each boot that is asked for is another one");
        assert_eq!(Start::of_nonce(first.nonce()), first.own());
        drop(first);
        let second = begin(&disk, 8);
        assert_eq!(second.own(), Start { count: 2, number: 8 });
        assert!(second.is_known(node(2), Start { count: 4, number: 9 }));
        assert!(!second.is_known(node(3), Start { count: 1, number: 1 }));
    }

    #[test]
    fn a_start_that_is_over_is_refused_by_name() {
        let starts = begin(&SimDisk::new(), 1);
        let start = |count, number| Start { count, number };
        assert_eq!(starts.meet(node(2), start(4, 9)), Ok(()));
        assert_eq!(starts.meet(node(2), start(4, 9)), Ok(()), "connections come and go");
        for (past, words) in [
            (start(3, 9), "start 3 (000009), but start 4 of node 2 has been here"),
            (start(1, 5), "start 1 (000005), but start 4 of node 2"),
            (start(4, 8), "start 4 (000008), but another start 4 of node 2 (000009)"),
        ] {
            let refused = starts.meet(node(2), past);
            assert!(matches!(&refused, Err(Unfit::Past(why)) if why.contains(words)), "{refused:?}");
        }
        assert_eq!(starts.meet(node(2), start(5, 3)), Ok(()), "it was started again");
        assert!(starts.meet(node(2), start(4, 9)).is_err());
        // Through the log: news of one that had no word with this one, and what is long over.
        assert_eq!(starts.heard(node(3), start(7, 1).nonce(5)), Ok(()));
        assert_eq!(starts.heard(node(3), start(2, 1).nonce(0)), Ok(()));
        assert!(starts.meet(node(3), start(2, 1)).is_err());
        assert!(starts.meet(node(3), start(7, 1)).is_ok());
    }

    #[test]
    fn what_cannot_be_noted_is_not_listened_to() {
        let disk = SimDisk::new();
        let starts = begin(&disk, 1);
        disk.stop_after(0);
        for _ in 0..2 {
            assert!(matches!(starts.meet(node(2), Start { count: 1, number: 1 }), Err(Unfit::Unnoted(_))));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let disk = SimDisk::new();
        drop(begin(&disk, 7));
        let bytes = disk.bytes(STARTS).unwrap_or_default();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            disk.put(STARTS, damaged);
            assert!(matches!(read(&disk), Err(LogError::Damage { .. })), "bit {bit}");
        }
        for len in 0..bytes.len() {
            disk.put(STARTS, bytes[..len].to_vec());
            assert!(matches!(read(&disk), Err(LogError::Damage { .. })), "{len} bytes");
        }
    }

    #[test]
    fn first_words_are_read_back_and_checked() {
        let start = Start { count: MOST, number: 77 };
        assert_eq!(Start::from_bytes(start.bytes()), Ok(start));
        for wrong in
            [[0; 16], [0xff; 16], Start { count: 0, number: 1 }.bytes(), Start { count: MOST + 1, number: 1 }.bytes()]
        {
            assert!(Start::from_bytes(wrong).is_err(), "{wrong:?}");
        }
    }
}
