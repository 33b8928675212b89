//! The log on a disk that loses power at every step, and on one that rots.

use super::*;
use crate::counters::{Counters, Increment};
use crate::disk::Disk;
use crate::disk::failing::FailingDisk;
use crate::recover::Replayed;
use replicode_stm::Stm;
use std::collections::BTreeMap;

const LIMITS: History = History { max_keys: 5, max_sessions: 3 };

fn options() -> Options {
    Options {
        max_keys: Some(LIMITS.max_keys),
        max_sessions: Some(LIMITS.max_sessions),
        segment_bytes: 700,
        keep_segments: false,
        id: [3; 16],
    }
}

fn inc(key: u64, session: u64, sequence: u64) -> Operation {
    Operation::Increment(Increment { key: format!("key{key}"), by: 1, session, sequence })
}

/// A few hundred bytes each, sessions come and go.
fn workload() -> Vec<Vec<Operation>> {
    let mut blocks = vec![vec![Operation::Open; 3]];
    for b in 1..18u64 {
        let mut ops: Vec<Operation> = (0..5).map(|k| inc((b + k) % 7, 1 + (b + k) % 5, 1 + b / 2)).collect();
        if b % 4 == 0 {
            ops.push(Operation::Open);
        }
        blocks.push(ops);
    }
    blocks
}

type Opened<D> = Result<(Log<D>, Counters), LogError>;

fn open<D: Disk>(disk: D, options: Options) -> Opened<D> {
    let mut counters = None;
    let log = Log::open(disk, options, &mut |what| {
        match what {
            Replayed::State(state) => counters = Counters::restore(Stm::builder().sequential(), state).ok(),
            Replayed::Block(ops) => {
                counters.as_mut().unwrap().run(ops).unwrap();
            }
            Replayed::Check(_) => unreachable!("opening begins at the snapshot"),
        }
        Ok(())
    })?;
    Ok((log, counters.unwrap()))
}

/// Runs blocks as the block thread does; returns how many were acknowledged, and the disk.
fn serve<D: Disk>(opened: Opened<D>, blocks: &[Vec<Operation>]) -> (u64, Result<Log<D>, LogError>) {
    let mut acknowledged = 0;
    let (mut log, mut counters) = match opened {
        Ok(both) => both,
        Err(why) => return (0, Err(why)),
    };
    for block in &blocks[log.blocks() as usize..] {
        if let Err(why) = log.append(block) {
            return (acknowledged, Err(why));
        }
        counters.run(block).unwrap();
        acknowledged = log.blocks();
        if log.is_full() {
            let state = counters.state().unwrap();
            if let Err(why) = log.compact(state) {
                return (acknowledged, Err(why));
            }
        }
    }
    (acknowledged, Ok(log))
}

/// The state after each number of blocks.
fn references(blocks: &[Vec<Operation>]) -> Vec<State> {
    let mut counters = Counters::new(Stm::builder().sequential(), LIMITS).unwrap();
    let mut all = vec![counters.state().unwrap()];
    for block in blocks {
        counters.run(block).unwrap();
        all.push(counters.state().unwrap());
    }
    all
}

/// A disk after the whole workload.
fn finished(options: Options) -> (FailingDisk, State) {
    let blocks = workload();
    let (n, log) = serve(open(FailingDisk::new(), options), &blocks);
    assert_eq!(n, blocks.len() as u64);
    let log = log.unwrap();
    assert!(log.compactions() >= 3, "{}", log.compactions());
    (log.into_disk(), references(&blocks).pop().unwrap())
}

#[test]
fn power_may_go_at_every_step_and_again_while_it_recovers() {
    let (blocks, states) = (workload(), references(&workload()));
    let steps = finished(options()).0.steps();
    assert!(steps > 60, "{steps}");
    let mut torn = 0;
    for step in 0..steps {
        for seed in 0..6 {
            let disk = FailingDisk::failing_at(step);
            let (acknowledged, died) = {
                let shared = disk.clone();
                (serve(open(disk, options()), &blocks), shared)
            };
            let (acknowledged, _log) = acknowledged;
            let mut disk = died.after_power_loss(seed + 1000 * step);
            // The recovery may lose power, too.
            if seed % 2 == 1 {
                let weak = disk.clone().with_steps(seed / 2 + step % 3);
                let shared = weak.clone();
                let _ = open(weak, options());
                disk = shared.after_power_loss(seed);
            }
            let (log, mut counters) = open(disk.clone(), options())
                .unwrap_or_else(|why| panic!("step {step}, seed {seed}: {why}; {:?}", disk.list()));
            let found = counters.state().unwrap();
            assert!(log.blocks() >= acknowledged, "step {step}, seed {seed}: an acknowledged block is lost");
            assert!(log.blocks() <= acknowledged + 1, "step {step}, seed {seed}: more than was in flight");
            torn += u64::from(log.blocks() == acknowledged + 1);
            assert_eq!(found, states[log.blocks() as usize], "step {step}, seed {seed}");
            let (all, log) = serve(Ok((log, counters)), &blocks);
            assert!(all == blocks.len() as u64 || all == 0, "step {step}, seed {seed}");
            let (_, mut counters) = open(log.unwrap().into_disk(), options()).unwrap();
            assert_eq!(Some(&counters.state().unwrap()), states.last(), "step {step}, seed {seed}");
        }
    }
    assert!(torn > 10, "writes that survived although nobody was told: {torn}");
}

#[test]
fn the_folder_stays_small() {
    let (disk, _) = finished(options());
    let mut names = disk.list().unwrap();
    names.sort();
    assert_eq!((names.len(), names[1].as_str(), names[2].as_str()), (3, "founded", "snapshot"), "{names:?}");
    let (kept, _) = finished(Options { keep_segments: true, ..options() });
    assert!(kept.list().unwrap().len() > 4);
    // The whole history can be read, and passes the snapshot's state.
    let (mut counters, mut checks) = (None::<Counters>, 0);
    let found = recover(&kept, From::Beginning, Default::default(), &mut |what| {
        match what {
            Replayed::State(s) => counters = Counters::restore(Stm::builder().threads(2), s).ok(),
            Replayed::Block(ops) => drop(counters.as_mut().unwrap().run(ops).unwrap()),
            Replayed::Check(s) => {
                assert_eq!(*s, counters.as_mut().unwrap().state().unwrap());
                checks += 1;
            }
        }
        Ok(())
    });
    assert_eq!((found.unwrap().unwrap().blocks, checks), (workload().len() as u64, 1));
    // Without the history that is refused, not begun somewhere.
    let why = recover(&disk, From::Beginning, Default::default(), &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&why, LogError::Missing { file, .. } if file == "000000000001.log"), "{why}");
    // A server without the option removes what it does not need.
    let (log, _) = open(kept, options()).unwrap();
    assert_eq!(log.into_disk().list().unwrap().len(), 3);
}

/// Every damage is an error that names the file, or changes nothing.
fn damage(change: impl Fn(&mut BTreeMap<String, Vec<u8>>) -> Option<String>) {
    for kept in [false, true] {
        let (disk, want) = finished(Options { keep_segments: kept, ..options() });
        let mut files = disk.files();
        let Some(name) = change(&mut files) else { continue };
        let before = FailingDisk::of(files);
        match open(before.clone(), Options { keep_segments: kept, ..options() }) {
            Ok((_, mut counters)) => assert_eq!(counters.state().unwrap(), want, "{name}: silently wrong"),
            Err(why) => {
                assert!(why.to_string().contains(&name), "{name}: {why}");
                assert_eq!(before.steps(), 0, "{name}: a damaged folder was changed");
            }
        }
    }
}

fn names(keep_segments: bool) -> Vec<(String, usize)> {
    finished(Options { keep_segments, ..options() }).0.files().into_iter().map(|(n, b)| (n, b.len())).collect()
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    let (disk, want) = finished(options());
    let files = disk.files();
    let mut refused = 0;
    for (name, bytes) in &files {
        for bit in 0..bytes.len() * 8 {
            let mut files = files.clone();
            files.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let disk = FailingDisk::of(files);
            match open(disk.clone(), options()) {
                Ok((_, mut counters)) => {
                    assert_eq!(counters.state().unwrap(), want, "{name}, bit {bit}: silently wrong");
                    panic!("{name}, bit {bit} went unnoticed");
                }
                Err(why) => {
                    assert!(why.to_string().contains(name.as_str()), "{name}, bit {bit}: {why}");
                    assert_eq!(disk.steps(), 0, "{name}, bit {bit}: a damaged folder was changed");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 2_000, "{refused}");
}

#[test]
fn every_cut_is_refused() {
    let (disk, _) = finished(options());
    let files = disk.files();
    for (name, bytes) in &files {
        for cut in 0..bytes.len() {
            let mut files = files.clone();
            files.get_mut(name).unwrap().truncate(cut);
            let disk = FailingDisk::of(files);
            let why = open(disk.clone(), options()).err();
            let why = why.unwrap_or_else(|| panic!("{name} cut at {cut} was served")).to_string();
            assert!(why.contains(name.as_str()) && disk.steps() == 0, "{name} cut at {cut}: {why}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    for (name, _) in names(false).into_iter().filter(|(n, _)| n != FOUNDED) {
        let (disk, _) = finished(options());
        let mut files = disk.files();
        files.remove(&name);
        let why = open(FailingDisk::of(files), options()).err().unwrap();
        assert!(matches!(&why, LogError::Missing { file, .. } if *file == name), "{name}: {why}");
    }
    // With all segments kept, the snapshot can be done without; of the segments only those that it covers.
    let kept = names(true);
    let newest = kept.iter().filter(|(n, _)| n.ends_with(".log")).count();
    for (k, (name, _)) in kept.iter().enumerate().filter(|(_, (n, _))| n != FOUNDED) {
        let (name, needed) = (name.clone(), k + 1 == newest);
        damage(|files| files.remove(&name).map(|_| name.clone()));
        let (disk, _) = finished(Options { keep_segments: true, ..options() });
        let mut files = disk.files();
        files.remove(&name);
        let result = open(FailingDisk::of(files), Options { keep_segments: true, ..options() });
        assert_eq!(result.is_err(), needed, "{name}");
    }
}

#[test]
fn other_peoples_files_are_refused() {
    let alone = FailingDisk::of(BTreeMap::from([("counters.log".to_string(), b"RCCOUNT1".to_vec())]));
    let why = open(alone, options()).err().unwrap();
    assert!(matches!(&why, LogError::Foreign(w) if w.contains("counters.log")), "{why}");

    // A segment of another log, of the same number.
    let (disk, _) = finished(options());
    let (other, _) = finished(Options { id: [4; 16], ..options() });
    let (mut files, other) = (disk.files(), other.files());
    let name = files.keys().next().unwrap().clone();
    files.insert(name.clone(), other[&name].clone());
    let why = open(FailingDisk::of(files), options()).err().unwrap();
    assert!(matches!(&why, LogError::Foreign(w) if w.contains(&name)), "{why}");

    // A segment under another number.
    let (disk, _) = finished(options());
    let mut files = disk.files();
    let (name, bytes) = files.pop_first().unwrap();
    let number: u64 = name[..12].parse().unwrap();
    files.insert(name, bytes.clone());
    files.insert(segment_name(number + 1), bytes);
    let why = open(FailingDisk::of(files), options()).err().unwrap();
    assert!(why.to_string().contains(&format!("it says that it is segment {number}")), "{why}");
}

#[test]
fn limits_belong_to_the_log() {
    let (disk, _) = finished(options());
    let why = open(disk.clone(), Options { max_keys: Some(6), ..options() }).err().unwrap();
    assert_eq!(why.to_string(), "the log was made for 5 keys, not 6: leave the option out, or begin a new folder");
    assert!(open(disk.clone(), Options { max_sessions: Some(9), ..options() }).is_err());
    let (log, _) = open(disk, Options { max_keys: None, max_sessions: None, ..options() }).unwrap();
    assert_eq!(log.limits(), LIMITS);
}

#[test]
fn a_block_of_reads_is_not_logged_and_one_that_is_too_large_is_refused() {
    let (mut log, _) = open(FailingDisk::new(), options()).unwrap();
    log.append(&[Operation::Get("x".into())]).unwrap();
    assert_eq!(log.blocks(), 0);
    let key = "k".repeat(1024);
    let op = Operation::Increment(Increment { key, by: 1, session: 1, sequence: 1 });
    let fits = MAX_BODY / 1051;
    log.append(&vec![op.clone(); fits]).unwrap();
    assert!(matches!(log.append(&vec![op; fits + 1]), Err(LogError::TooLarge(n)) if n > MAX_BODY));
}

/// A log of one segment of some blocks, nothing else, and the state that it leads to.
fn short(blocks: u64) -> (FailingDisk, State) {
    let options = Options { segment_bytes: 1 << 20, ..options() };
    let (mut log, mut counters) = open(FailingDisk::new(), options).unwrap();
    for n in 0..blocks {
        let block = if n == 0 { vec![Operation::Open] } else { vec![inc(n % 3, 1, n)] };
        log.append(&block).unwrap();
        counters.run(&block).unwrap();
    }
    (log.into_disk(), counters.state().unwrap())
}

#[test]
fn a_mark_and_a_length_overwritten_by_zeros_are_damage_not_a_log_that_starts_with_none() {
    let (disk, _) = short(501);
    let name = segment_name(1);
    for at in MARK_AT..=HEADER {
        let mut files = disk.files();
        files.get_mut(&name).unwrap()[at..at + 16].fill(0);
        let disk = FailingDisk::of(files);
        let why = open(disk.clone(), options()).err().unwrap();
        assert!(matches!(&why, LogError::Damaged { file, .. } if *file == name), "zeros at {at}: {why}");
        assert_eq!(disk.steps(), 0, "zeros at {at}: a damaged folder was changed");
    }
}

#[test]
fn a_log_whose_files_are_all_gone_is_missing_not_new() {
    let (disk, want) = short(5);
    let mut files = disk.files();
    files.remove(&segment_name(1)).unwrap();
    let empty = FailingDisk::of(files);
    let why = open(empty.clone(), options()).err().unwrap();
    assert!(matches!(&why, LogError::Missing { file, .. } if *file == segment_name(1)), "{why}");
    assert_eq!(empty.steps(), 0);
    let (compacted, _) = finished(options());
    let founded = compacted.files().into_iter().filter(|(n, _)| n == FOUNDED).collect();
    assert!(matches!(open(FailingDisk::of(founded), options()).err().unwrap(), LogError::Missing { .. }));
    // A log from before there was this file is served, and gets one.
    let mut files = disk.files();
    files.remove(FOUNDED).unwrap();
    let (log, mut counters) = open(FailingDisk::of(files), options()).unwrap();
    assert_eq!(counters.state().unwrap(), want);
    assert_eq!(log.into_disk().files()[FOUNDED], disk.files()[FOUNDED]);
    // Nor does the file of another log pass.
    let mut files = disk.files();
    files.insert(FOUNDED.to_string(), founded::encode(&[9; 16]));
    assert!(matches!(open(FailingDisk::of(files), options()).err().unwrap(), LogError::Foreign(_)));
}

/// Whatever is done to some bytes of a file.
fn damages(bytes: &[u8], at: usize, len: usize) -> Vec<Vec<u8>> {
    let end = bytes.len().min(at + len);
    let over = |with: &dyn Fn(usize) -> u8| {
        let mut bad = bytes.to_vec();
        (at..end).for_each(|i| bad[i] = with(i));
        bad
    };
    let noise = |i: usize| (i as u64 ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[5];
    vec![
        over(&|_| 0),
        over(&|_| 0xff),
        over(&noise),
        // Bytes of another place of the same file: an older sector, say.
        over(&|i| bytes[(i + 128) % bytes.len()]),
        [&bytes[..at], &bytes[end..]].concat(),
        [&bytes[..at], &bytes[at..end], &bytes[at..]].concat(),
        // From here on as a file system shows what it allocated and never wrote.
        [&bytes[..at], &vec![0; bytes.len() - at][..]].concat(),
    ]
}

#[test]
fn no_damage_at_any_place_makes_fewer_blocks_without_a_word() {
    let (one_segment, compacted) = (short(8), finished(options()));
    let (mut refused, mut harmless) = (0, 0);
    for (lengths, (disk, want)) in [(&[1, 4, 8, 16, 20, 32, 100, 512][..], one_segment), (&[3, 16, 64], compacted)] {
        let files = disk.files();
        for (name, bytes) in &files {
            for (at, len) in (0..bytes.len()).flat_map(|at| lengths.iter().map(move |len| (at, *len))) {
                for (k, bad) in damages(bytes, at, len).into_iter().enumerate().filter(|(_, bad)| bad != bytes) {
                    let mut files = files.clone();
                    files.insert(name.clone(), bad);
                    let disk = FailingDisk::of(files);
                    match open(disk.clone(), options()) {
                        Ok((_, mut counters)) => {
                            assert_eq!(counters.state().unwrap(), want, "{name}, {len} bytes at {at}, damage {k}");
                            harmless += 1;
                        }
                        Err(why) => {
                            let why = why.to_string();
                            assert!(why.contains(name.as_str()), "{name}, {len} bytes at {at}, damage {k}: {why}");
                            assert_eq!(disk.steps(), 0, "{name}, {len} bytes at {at}, damage {k}: changed");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    // Harmless is what a write that did not complete looks like: something behind the last block.
    assert!(refused > 50_000 && harmless < refused / 50, "{refused} refused, {harmless} harmless");
}
