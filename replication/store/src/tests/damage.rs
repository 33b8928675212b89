//! Damage to the files of a stopped log: what is found, and what is said about it.

use super::{Kept, entry, items, note, owner};
use crate::disk::Disk;
use crate::head::{HEAD, Head};
use crate::opening::{headers, recover_all};
use crate::sim_disk::SimDisk;
use crate::{LogError, segment};

/// Three segments, 24 entries, each its own group.
fn whole() -> SimDisk {
    let disk = SimDisk::new();
    fill(&disk, owner(), [5; 16]);
    assert_eq!(headers(&disk, None).map(|headers| headers.len()).ok(), Some(3));
    disk
}

fn fill(disk: &SimDisk, owner: segment::Owner, incarnation: [u8; 16]) {
    let Ok(mut log) = Kept::open_as(disk, owner, incarnation, 9 << 10) else { unreachable!("the log opens") };
    for index in 0..24 {
        assert!(log.write(&items(&[entry(1, index, 500)])).is_ok());
    }
}

fn damaged(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> SimDisk {
    let disk = whole();
    let mut bytes = disk.bytes(name).unwrap_or_default();
    change(&mut bytes);
    disk.put(name, bytes);
    disk
}

fn verdict(disk: &SimDisk) -> Result<usize, LogError> {
    Ok(Kept::open(disk, 9 << 10)?.read(0, u64::MAX)?.len())
}

/// Where the records of a segment begin.
fn offsets(disk: &SimDisk, generation: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let read = headers(disk, None).and_then(|headers| {
        recover_all(disk, &headers, &mut |header, offset, _| {
            if header.generation == generation {
                found.push(offset);
            }
        })
    });
    assert!(read.is_ok());
    found
}

#[test]
fn a_flipped_bit_in_an_older_segment_is_named() {
    for at in offsets(&whole(), 1) {
        for within in [0, 5, 10, 17, 20, 21, 23, 24, 100, 520] {
            let disk = damaged(&segment::name(1), |bytes| bytes[at as usize + within] ^= 4);
            let result = verdict(&disk);
            assert!(
                matches!(&result, Err(LogError::Damage { file, offset, .. }) if file == "000000000001.log" && *offset == at),
                "offset {at} + {within}: {result:?}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_segment_is_named_unless_it_is_in_the_last_group() {
    let offsets = offsets(&whole(), 3);
    let name = segment::name(3);
    let (last, earlier) = offsets.split_last().unwrap_or((&0, &[]));
    assert!(earlier.len() >= 2);
    for at in earlier {
        let disk = damaged(&name, |bytes| bytes[*at as usize + 30] ^= 1);
        let result = verdict(&disk);
        assert!(matches!(&result, Err(LogError::Damage { offset, .. }) if offset == at), "offset {at}: {result:?}");
        assert!(result.is_err_and(|error| error.to_string().contains("one that was written later does")));
    }
    // Not to be told from a write that was cut short, and treated as one.
    let disk = damaged(&name, |bytes| bytes[*last as usize + 30] ^= 1);
    assert_eq!(verdict(&disk).ok(), Some(23));
    assert_eq!(verdict(&disk).ok(), Some(23), "and again, after it was cleaned");
}

#[test]
fn a_lost_write_of_a_whole_sector_is_found() {
    let middle = offsets(&whole(), 2)[3] as usize / 512 * 512;
    for change in [0u8, 0xff] {
        let disk = damaged(&segment::name(2), |bytes| bytes[middle..middle + 512].fill(change));
        assert!(matches!(verdict(&disk), Err(LogError::Damage { .. })));
    }
}

#[test]
fn records_from_elsewhere_do_not_pass() {
    // A record in the place of another of the same length: a misdirected write.
    let at = offsets(&whole(), 2);
    let disk = damaged(&segment::name(2), |bytes| {
        let (from, to) = (at[2] as usize, at[3] as usize);
        bytes.copy_within(from..to, at[4] as usize);
    });
    assert!(matches!(verdict(&disk), Err(LogError::Damage { offset, .. }) if offset == at[4]));
}

#[test]
fn headers_are_proven() {
    for at in [0, 9, 30, 70, 110, 125, 140, 2000, 4095] {
        let disk = damaged(&segment::name(2), |bytes| bytes[at] ^= 1);
        let result = verdict(&disk);
        let told = matches!(&result, Err(LogError::Damage { file, offset: 0, .. }) if file == "000000000002.log")
            || matches!(&result, Err(LogError::Version { .. }));
        assert!(told, "byte {at}: {result:?}");
    }
}

#[test]
fn a_missing_segment_is_named() {
    for generation in 1..=3 {
        let disk = whole();
        assert!(disk.remove(&segment::name(generation)).is_ok());
        let result = verdict(&disk);
        assert!(matches!(&result, Err(LogError::Missing { file }) if *file == segment::name(generation)), "{result:?}");
    }
}

#[test]
fn a_log_that_lost_all_segments_is_not_made_anew() {
    let disk = whole();
    for generation in 1..=3 {
        assert!(disk.remove(&segment::name(generation)).is_ok());
    }
    assert!(matches!(verdict(&disk), Err(LogError::Missing { file }) if file == segment::name(3)));
}

#[test]
fn a_head_that_is_missing_or_of_another_log_is_named() {
    let disk = whole();
    assert!(disk.remove(HEAD).is_ok());
    assert!(matches!(verdict(&disk), Err(LogError::Missing { file }) if file == HEAD));
    note(&disk, &Head { incarnation: [6; 16], generation: 3 });
    assert!(matches!(verdict(&disk), Err(LogError::Damage { file, .. }) if file == HEAD));
    let disk = damaged(HEAD, |bytes| bytes[25] ^= 1);
    assert!(matches!(verdict(&disk), Err(LogError::Damage { file, .. }) if file == HEAD));
}

#[test]
fn cut_and_swapped_files_are_refused() {
    let short = damaged(&segment::name(3), |bytes| bytes.truncate(5000));
    assert!(matches!(verdict(&short), Err(LogError::Damage { offset: 5000, .. })));
    let shorter = damaged(&segment::name(3), |bytes| bytes.truncate(100));
    assert!(matches!(verdict(&shorter), Err(LogError::Damage { .. })));
    let disk = whole();
    let (one, two) = (disk.bytes(&segment::name(1)), disk.bytes(&segment::name(2)));
    disk.put(&segment::name(1), two.unwrap_or_default());
    disk.put(&segment::name(2), one.unwrap_or_default());
    assert!(matches!(verdict(&disk), Err(LogError::Damage { .. })));
}

#[test]
fn a_segment_of_another_log_of_the_same_node_is_refused() {
    // An older incarnation of this node's log, as from a backup.
    let other = SimDisk::new();
    fill(&other, owner(), [6; 16]);
    let disk = whole();
    disk.put(&segment::name(2), other.bytes(&segment::name(2)).unwrap_or_default());
    assert!(verdict(&disk).is_err_and(|error| error.to_string().contains("another log")));
}

#[test]
fn foreign_directories_are_refused_with_both_names() {
    type Change = fn(&mut segment::Owner);
    let cases: [(&str, Change); 4] = [
        ("cluster", |owner| owner.identity.cluster = [9; 16]),
        ("configuration", |owner| owner.identity.config = replicode_log::Digest::of(b"x")),
        ("engine", |owner| owner.identity.engine = replicode_log::Digest::of(b"x")),
        ("node", |owner| owner.node = replicode_log::NodeId::new(2).unwrap_or(owner.node)),
    ];
    for (what, change) in cases {
        let mut other = owner();
        change(&mut other);
        let result = Kept::open_as(&whole(), other, [5; 16], 9 << 10).err();
        assert!(result.is_some_and(|error| error.to_string().contains(&format!("belongs to {what} "))), "{what}");
    }
}

#[test]
fn an_entry_that_rots_while_the_log_is_open_is_not_served() {
    let disk = whole();
    let Ok(mut log) = Kept::open(&disk, 9 << 10) else { unreachable!("the log opens") };
    let at = offsets(&disk, 1)[2];
    let file = disk.open(&segment::name(1));
    assert!(file.is_ok_and(|file| file.write_at(&[0xff; 4], at + 40).is_ok()));
    assert!(log.read(2, 3).is_err());
    assert!(log.read(20, 24).is_ok_and(|entries| entries.len() == 4), "others are");
    assert!(log.write(&items(&[entry(1, 24, 5)])).is_ok());
}
