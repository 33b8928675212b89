//! Directories stay readable: what is written is, byte for byte, what it was before the log became a machine.

use super::{Kept, entry};
use crate::disk::Disk;
use crate::record::{Body, Entry, EntryId, Item, VoteRecord};
use crate::sim_disk::SimDisk;
use bytes::Bytes;
use replicode_log::Digest;

/// Names and contents of all segments and the head, as the program before this crate wrote them for the same changes.
const WRITTEN: &str = "7da1b5a95523de68650193c493385c4f341e28dd64d375f3bbb2b72ba555bf93";

#[test]
fn the_bytes_of_a_log_are_what_they_always_were() {
    let disk = SimDisk::new();
    let Ok(mut log) = Kept::open(&disk, 9 << 10) else { unreachable!("an empty disk gives a log") };
    let members = Entry { id: EntryId { term: 1, index: 0 }, body: Body::Membership(Bytes::from_static(b"members")) };
    let mut groups =
        vec![vec![Item::Vote(VoteRecord { term: 1, node: 2, committed: true })], vec![Item::Entry(members)]];
    groups.extend((1..20).map(|index| vec![Item::Entry(entry(1, index, index as usize * 61))]));
    let two = [entry(1, 20, 0), entry(1, 21, 9)].map(Item::Entry);
    groups.push([&[Item::Committed(EntryId { term: 1, index: 12 })], &two[..]].concat());
    groups.push(vec![Item::Truncate(16)]);
    // Larger than a segment.
    groups.push(vec![Item::Entry(entry(2, 16, 12_000))]);
    groups.push(vec![Item::Entry(entry(2, 17, 100))]);
    for group in &groups {
        assert!(log.write(group).is_ok());
    }
    let mut names = disk.list().unwrap_or_default();
    names.retain(|name| name.ends_with(".log") || name == "head");
    names.sort();
    assert_eq!(names.len(), 6);
    let mut all = Vec::new();
    for name in names {
        all.extend_from_slice(name.as_bytes());
        all.extend_from_slice(&disk.bytes(&name).unwrap_or_default());
    }
    assert_eq!(Digest::of(&all).to_string(), WRITTEN);
}
