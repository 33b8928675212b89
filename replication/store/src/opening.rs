//! What a log on disk amounts to when it is opened: which segments there are, what is in them, where it ends.

use crate::disk::{Disk, DiskFile};
use crate::hands::Hands;
use crate::head::{HEAD, Head};
use crate::index::Index;
use crate::plan::Plan;
use crate::record::Item;
use crate::segment::{self, Header, Owner, SPARE};
use crate::writer::{self, Latest, Tail, Writer};
use crate::{LogError, recover};
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Whether an empty directory becomes a new log.
    pub found: bool,
    /// Drawn at random for a new log.
    pub incarnation: [u8; 16],
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Bytes of recent entries kept in memory.
    pub cache_bytes: usize,
}

/// A log that has been read from its first byte to its last.
#[derive(Debug)]
pub struct Recovered {
    /// Where it goes on.
    pub tail: Tail,
    /// Where its entries are.
    pub index: Index,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Where remains of a group that was cut short end, in the last segment.
    pub torn: Option<u64>,
    /// The newest segment by the head; 0 if there is none yet.
    pub head: u64,
}

/// A log that is ready to go on.
pub struct Opened {
    /// Says what is to be written.
    pub writer: Writer,
    /// Carries it out.
    pub hands: Hands,
    /// What was read.
    pub recovered: Recovered,
}

/// Reads a whole file.
pub(crate) fn read_all(file: &dyn DiskFile, name: &str) -> Result<Bytes, LogError> {
    let failed = |why| LogError::io(format!("read log segment {name}"), why);
    let len = file.len().map_err(failed)?;
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?];
    file.read_at(&mut bytes, 0).map_err(failed)?;
    Ok(Bytes::from(bytes))
}

/// The headers of all segments, in order, proven to follow each other without a gap up to the one that the head names.
///
/// # Errors
/// [`LogError`]: a segment is missing, damaged, or of another log.
pub fn headers(disk: &dyn Disk, owner: Option<&Owner>) -> Result<Vec<Header>, LogError> {
    let names = disk.list().map_err(|why| LogError::io(format!("list {}", disk.place()), why))?;
    let mut generations: Vec<u64> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
    generations.sort_unstable();
    let mut headers: Vec<Header> = Vec::with_capacity(generations.len());
    for generation in generations {
        let name = segment::name(generation);
        let damage = |what: &str| LogError::Damage { file: name.clone(), offset: 0, what: what.to_string() };
        if let Some(before) = headers.last()
            && before.generation + 1 != generation
        {
            return Err(LogError::Missing { file: segment::name(before.generation + 1) });
        }
        let file = disk.open(&name).map_err(|why| LogError::io(format!("open log segment {name}"), why))?;
        let mut bytes = vec![0; segment::HEADER];
        file.read_at(&mut bytes, 0).map_err(|why| match why.kind() {
            io::ErrorKind::UnexpectedEof => damage("the file is shorter than a segment's header"),
            _ => LogError::io(format!("read log segment {name}"), why),
        })?;
        let header = Header::decode(&name, &bytes)?;
        if let Some(owner) = owner {
            header.check(&name, owner)?;
        }
        if header.generation != generation {
            return Err(damage(&format!("it is segment {} by its header", header.generation)));
        }
        if headers.first().is_some_and(|first| first.owner != header.owner || first.incarnation != header.incarnation) {
            return Err(damage("it belongs to another log than the segments before it"));
        }
        headers.push(header);
    }
    if let Some(first) = headers.first()
        && first.generation == 1
        && first.previous != segment::genesis(&first.owner, &first.incarnation)
    {
        let what = "the log does not begin where a log begins".to_string();
        return Err(LogError::Damage { file: segment::name(1), offset: 0, what });
    }
    if let Some(head) = Head::read(disk)? {
        if headers.last().is_none_or(|newest| newest.generation < head.generation) {
            return Err(LogError::Missing { file: segment::name(head.generation) });
        }
        if headers.first().is_some_and(|first| first.incarnation != head.incarnation) {
            let what = "it belongs to another log than the segments beside it".to_string();
            return Err(LogError::Damage { file: HEAD.to_string(), offset: 0, what });
        }
    }
    Ok(headers)
}

/// Reads the log from its first byte to its last and hands every record to `visit`. Changes nothing.
///
/// # Errors
/// [`LogError`]: there is none, or it is damaged.
pub fn recover_all(
    disk: &dyn Disk,
    headers: &[Header],
    visit: &mut dyn FnMut(&Header, u64, &Item),
) -> Result<Recovered, LogError> {
    let (mut latest, mut index, mut total, mut end) = (Latest::default(), Index::default(), 0, None);
    let mut broken = None;
    for (at, header) in headers.iter().enumerate() {
        let name = segment::name(header.generation);
        let file = disk.open(&name).map_err(|why| LogError::io(format!("open log segment {name}"), why))?;
        let bytes = read_all(&*file, &name)?;
        index.begin(header.generation, header.next_index, bytes.len() as u64);
        let successor = headers.get(at + 1).map(|next| next.previous);
        let scan = recover::scan(&name, &bytes, header, successor, &mut |offset, item| {
            if let Item::Entry(entry) = &item
                && entry.id.index != index.next()
                && latest.purged.map(|id| id.index + 1) != Some(entry.id.index)
            {
                broken.get_or_insert((offset, entry.id.index, index.next()));
            }
            latest.follow(&item);
            index.follow(offset as u32, &item);
            visit(header, offset, &item);
        })?;
        if let Some((offset, found, expected)) = broken {
            let what = format!("entry {found} where entry {expected} must follow");
            return Err(LogError::Damage { file: name, offset, what });
        }
        total += bytes.len() as u64;
        end = Some((header, bytes.len() as u64, scan));
    }
    let Some((header, capacity, scan)) = end else { return Err(LogError::NoLog(disk.place())) };
    let head = Head::read(disk)?.map_or(0, |head| head.generation);
    // Only a log that was made a moment before a crash has no head: nothing has been written to it.
    if head == 0 && (header.generation > 1 || scan.group > 0) {
        return Err(LogError::Missing { file: HEAD.to_string() });
    }
    let first = latest.purged.map_or(0, |id| id.index + 1);
    if let Some(oldest) = headers.first().filter(|oldest| oldest.generation > 1 && oldest.next_index > first) {
        return Err(LogError::Missing { file: segment::name(oldest.generation - 1) });
    }
    let (position, next_index) = (scan.end as u64, index.next().max(first));
    let tail = Tail { header: *header, capacity, position, group: scan.group, chain: scan.chain, next_index, latest };
    Ok(Recovered { tail, index, bytes: total, torn: scan.torn.map(|end| end as u64), head })
}

/// Overwrites the remains of a group that was cut short, and makes sure that what was read is durable: it may have come
/// from the system's cache.
fn settle(place: &str, recovered: &Recovered) -> Plan {
    let Tail { header: Header { incarnation, generation, .. }, position, .. } = recovered.tail;
    let mut plan = Plan::new(place);
    plan.clean(generation, position, recovered.torn.unwrap_or(position));
    // The crash came between a new segment and the head's naming it.
    if recovered.head < generation {
        plan.note(&Head { incarnation, generation });
    }
    plan
}

/// Makes a new log where there is none. What an attempt that was cut short left (a spare, or a first segment that no head
/// names) is written anew or goes on as it is.
///
/// # Errors
/// [`LogError`]: the directory holds a log of somebody else, or one that is damaged; the disk fails.
pub fn found(disk: &Arc<dyn Disk>, owner: Owner, incarnation: [u8; 16], segment_bytes: u64) -> Result<(), LogError> {
    if headers(&**disk, Some(&owner))?.is_empty() {
        let plan = writer::create(&disk.place(), owner, incarnation, segment_bytes);
        Hands::new(disk.clone()).carry_out(plan)?;
    }
    Ok(())
}

/// Opens a log for writing, or makes one. Every record that it holds goes by `visit`, in order. `background`: whether
/// somebody will carry [`Writer::poll_preparation`] out.
///
/// # Errors
/// [`LogError`]: the log is damaged, belongs to something else, or the system refuses.
pub fn open(
    disk: &Arc<dyn Disk>,
    owner: Owner,
    options: &LogOptions,
    background: bool,
    visit: &mut dyn FnMut(&Item),
) -> Result<Opened, LogError> {
    let names = disk.list().map_err(|why| LogError::io(format!("list {}", disk.place()), why))?;
    if names.iter().any(|name| name == SPARE) {
        disk.remove(SPARE).map_err(|why| LogError::io("remove an unused log segment", why))?;
    }
    let mut segments = headers(&**disk, Some(&owner))?;
    if segments.is_empty() {
        if !options.found {
            return Err(LogError::NoLog(disk.place()));
        }
        found(disk, owner, options.incarnation, options.segment_bytes)?;
        segments = headers(&**disk, Some(&owner))?;
    }
    let recovered = recover_all(&**disk, &segments, &mut |_, _, item| visit(item))?;
    let (place, mut hands) = (disk.place(), Hands::new(disk.clone()));
    hands.carry_out(settle(&place, &recovered))?;
    let writer = Writer::new(&place, recovered.tail, options.segment_bytes, background);
    Ok(Opened { writer, hands, recovered })
}
