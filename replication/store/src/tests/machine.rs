//! The writer alone, without any disk: which operations it asks for, in which order, and what it does when one fails.

use super::{entry, items, owner};
use crate::plan::{DiskOp, File, ZEROS};
use crate::record::{EntryId, Item};
use crate::segment::{self, Header};
use crate::writer::{Latest, Tail, create};
use crate::{LogError, Next, Writer, Written};
use std::io;

/// A writer at the beginning of segment 1.
fn writer(segment_bytes: u64, background: bool) -> Writer {
    let previous = segment::genesis(&owner(), &[5; 16]);
    let capacity = segment_bytes;
    let header = Header { owner: owner(), incarnation: [5; 16], generation: 1, next_index: 0, previous, capacity };
    let position = segment::HEADER as u64;
    let latest = Latest::default();
    let tail = Tail { header, capacity, position, group: 0, chain: previous, next_index: 0, latest };
    Writer::new("here", tail, segment_bytes, background)
}

/// An operation in a few words.
fn short(op: &DiskOp) -> String {
    match op {
        DiskOp::Create(file) => format!("create {}", file.name()),
        DiskOp::Write { file, offset, .. } => format!("write {} {offset}", file.name()),
        DiskOp::Zeros { file, offset, len } => format!("zeros {} {offset} {len}", file.name()),
        DiskOp::Sync(file) => format!("sync {}", file.name()),
        DiskOp::Rename { from, to } => format!("rename {} {}", from.name(), to.name()),
        DiskOp::Remove(file) => format!("remove {}", file.name()),
        DiskOp::SyncNames => "sync names".to_string(),
    }
}

/// Carries everything out in thought, until nothing is asked for, or what is not an operation.
fn run(writer: &mut Writer) -> Vec<String> {
    let mut seen = Vec::new();
    while let Next::Op(op) = writer.poll() {
        seen.push(short(op));
        assert!(matches!(writer.poll(), Next::Op(again) if Some(&short(again)) == seen.last()), "until it is told");
        assert!(writer.handle_done(Ok(())).is_ok());
    }
    seen
}

const BEGUN: [&str; 9] = [
    "write spare 0",
    "sync spare",
    "rename spare 000000000002.log",
    "sync names",
    "create head.new",
    "write head.new 0",
    "sync head.new",
    "rename head.new head",
    "sync names",
];

#[test]
fn a_group_is_one_write_and_one_sync_however_many_items_it_has() {
    let mut writer = writer(64 << 10, true);
    assert_eq!(writer.poll(), Next::Nothing);
    let group = items(&[entry(1, 0, 100), entry(1, 1, 0), entry(1, 2, 7)]);
    let mut written = Vec::new();
    writer.handle_items(group.iter().chain(&[Item::Committed(EntryId { term: 1, index: 0 })]), &mut written);
    assert_eq!(run(&mut writer), ["write 000000000001.log 4096", "sync 000000000001.log"]);
    assert_eq!((writer.syncs(), written.len(), writer.tail().next_index), (1, 4, 3));
    let mut next = 4096 + group.iter().map(|item| item.record_len() as u64).sum::<u64>();
    next += Item::Committed(EntryId { term: 1, index: 0 }).record_len() as u64;
    assert_eq!(writer.tail().position, next);
    writer.handle_items(std::iter::empty(), &mut written);
    assert_eq!(writer.poll(), Next::Nothing, "no items, nothing to do");
}

#[test]
fn a_full_segment_is_followed_by_one_that_is_durable_before_its_first_group() {
    let mut writer = writer(9 << 10, false);
    let group = items(&[entry(1, 0, 4000), entry(1, 1, 2000)]);
    let mut written = Vec::new();
    writer.handle_items(group.iter(), &mut written);
    let before = ["write 000000000001.log 4096", "sync 000000000001.log"];
    let made = ["create spare", "zeros spare 0 9216", "sync spare", "sync spare"];
    let after = ["write 000000000002.log 4096", "sync 000000000002.log"];
    assert_eq!(run(&mut writer), [&before[..], &made, &BEGUN, &after].concat());
    let names: Vec<_> =
        written.iter().map(|it| matches!(it, Written::Segment { generation: 2, bytes: 9216 })).collect();
    assert_eq!(names, [false, true, false]);
    assert!(writer.poll_preparation().is_none(), "nobody prepares in the background");
}

#[test]
fn the_next_segment_is_prepared_when_this_one_is_half_full_and_waited_for_when_it_is_needed() {
    let mut writer = writer(600 << 10, true);
    let put = |writer: &mut Writer, index, len| {
        writer.handle_items(items(&[entry(1, index, len)]).iter(), &mut Vec::new());
        run(writer)
    };
    assert!(writer.is_plain(1000) && !writer.is_plain(300 << 10));
    put(&mut writer, 0, 250 << 10);
    assert!(writer.poll_preparation().is_none());
    put(&mut writer, 1, 60 << 10);
    let Some(mut preparation) = writer.poll_preparation() else { unreachable!("half full") };
    assert!(writer.poll_preparation().is_none(), "once");
    let mut seen = Vec::new();
    while let Some(op) = preparation.poll_op() {
        seen.push(short(op));
        assert!(preparation.handle_done(Ok(())).is_ok());
    }
    let piece = |at: usize, len: usize| [format!("zeros spare {at} {len}"), "sync spare".to_string()];
    let last = (600 << 10) - 2 * ZEROS;
    let pieces = [piece(0, ZEROS), piece(ZEROS, ZEROS), piece(2 * ZEROS, last)].concat();
    assert_eq!(seen, [&["create spare".to_string()], &pieces[..], &["sync spare".to_string()]].concat());
    // It is needed before anybody has said that it is done: what fits goes first, and nothing of the rest.
    assert_eq!(put(&mut writer, 2, 299 << 10), Vec::<String>::new());
    assert_eq!(writer.poll(), Next::Preparation);
    assert!(writer.handle_prepared(Ok(())).is_ok());
    assert_eq!(run(&mut writer), [&BEGUN[..], &["write 000000000002.log 4096", "sync 000000000002.log"]].concat());
}

#[test]
fn nothing_is_asked_for_after_a_failure_whichever_operation_it_was() {
    for fails in 0.. {
        let mut writer = writer(9 << 10, false);
        let group = items(&[entry(1, 0, 4000), entry(1, 1, 2000)]);
        writer.handle_items(group.iter(), &mut Vec::new());
        let mut done = 0;
        while let Next::Op(op) = writer.poll() {
            let op = short(op);
            if done == fails {
                let error = writer.handle_done(Err(io::Error::other("no more"))).err().map(|error| error.to_string());
                let expected = ["write", "sync", "prepare", "begin", "note"]
                    .iter()
                    .find(|what| error.as_ref().is_some_and(|error| error.starts_with(&format!("cannot {what} "))));
                assert!(expected.is_some() && error.is_some_and(|error| error.ends_with(": no more")), "{op}");
                break;
            }
            assert!(writer.handle_done(Ok(())).is_ok());
            done += 1;
        }
        assert_eq!(writer.poll(), Next::Nothing);
        if done < fails {
            assert_eq!(done, 17);
            return;
        }
        assert!(writer.handle_done(Ok(())).is_ok(), "a word too many changes nothing");
        assert_eq!(writer.poll(), Next::Nothing);
    }
}

#[test]
fn a_preparation_that_fails_ends_the_writer() {
    let mut writer = writer(64 << 10, true);
    writer.handle_items(items(&[entry(1, 0, 40 << 10)]).iter(), &mut Vec::new());
    run(&mut writer);
    assert!(writer.poll_preparation().is_some());
    writer.handle_items(items(&[entry(1, 1, 40 << 10)]).iter(), &mut Vec::new());
    assert_eq!(writer.poll(), Next::Preparation);
    assert!(writer.handle_prepared(Err(LogError::Stopped("full".to_string()))).is_err());
    assert_eq!(writer.poll(), Next::Nothing);
}

#[test]
fn a_segment_that_is_given_up_is_the_next_one_and_grows_if_it_is_too_short() {
    let mut writer = writer(20 << 10, true);
    writer.handle_unused(&[(7, 12 << 10), (8, 20 << 10)]);
    let retired = ["rename 000000000007.log spare", "remove 000000000008.log", "sync names"];
    assert_eq!(run(&mut writer), retired);
    writer.handle_items(items(&[entry(1, 0, 15_000), entry(1, 1, 15_000)]).iter(), &mut Vec::new());
    let seen = run(&mut writer);
    assert_eq!(seen[2..4], ["zeros spare 12288 8192", "sync spare"]);
    assert_eq!(seen[4..4 + BEGUN.len()], BEGUN);
    assert!(writer.poll_preparation().is_some(), "and the one after it is prepared");
}

#[test]
fn a_new_log_is_a_segment_and_a_head() {
    let mut plan = create("here", owner(), [5; 16], 16 << 20);
    let mut seen = Vec::new();
    while let Some(op) = plan.poll_op() {
        seen.push(short(op));
        assert!(plan.handle_done(Ok(())).is_ok());
    }
    assert_eq!(seen.first().map(String::as_str), Some("create spare"));
    assert_eq!(seen[seen.len() - 7], format!("rename spare {}", File::Segment(1).name()));
    assert_eq!(seen.iter().filter(|op| op.starts_with("zeros")).count(), 4, "a first segment is small: 1 MiB");
}
