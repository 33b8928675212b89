//! The power goes at every operation of a workload, and takes any part of what was not synced with it. What was
//! acknowledged must be there afterwards, and nothing may be there that was not written.

use super::{Kept, entry};
use crate::record::{Entry, EntryId, Item, VoteRecord};
use crate::sim_disk::{Dice, SimDisk};
use crate::tests::owner;
use crate::{Disk, LogError, opening, segment};

const SEGMENT: u64 = 9 << 10;

/// What a log amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    entries: Vec<Entry>,
    vote: Option<VoteRecord>,
}

impl Model {
    fn follow(&mut self, item: &Item) {
        match item {
            Item::Entry(entry) => self.entries.push(entry.clone()),
            Item::Truncate(from) => self.entries.truncate(*from as usize),
            Item::Vote(vote) => self.vote = Some(*vote),
            Item::Committed(_) | Item::Purge(_) => {}
        }
    }
}

/// Groups of items, as one queue of a busy log: several entries at once, votes, truncations, large and small.
fn workload(seed: u64, groups: usize) -> Vec<Vec<Item>> {
    let (mut dice, mut next, mut term) = (Dice(seed), 0, 1);
    let mut all = Vec::new();
    for _ in 0..groups {
        let mut group = Vec::new();
        for _ in 0..=dice.roll() % 3 {
            match dice.roll() % 10 {
                0 => {
                    term += 1;
                    group.push(Item::Vote(VoteRecord {
                        term,
                        node: 1 + dice.roll() % 3,
                        committed: dice.roll() % 2 == 0,
                    }));
                }
                1 if next > 0 => {
                    next -= 1 + dice.roll() % next.min(4);
                    group.push(Item::Truncate(next));
                }
                2 => group.push(Item::Committed(EntryId { term, index: next.saturating_sub(1) })),
                roll => {
                    group.push(Item::Entry(entry(term, next, (dice.roll() % (roll * 300)) as usize)));
                    next += 1;
                }
            }
        }
        all.push(group);
    }
    all
}

/// What is on the disk, as the next start finds it.
fn reopen(disk: &SimDisk) -> Result<Model, LogError> {
    let mut model = Model::default();
    Kept::open(disk, SEGMENT)?;
    // A second time, after cleaning: nothing may have changed, nothing may be left to clean.
    let headers = opening::headers(disk, Some(&owner()))?;
    let recovered = opening::recover_all(disk, &headers, &mut |header, offset, item| {
        // A segment's first records repeat the latest values.
        let _ = (header, offset);
        model.follow(item);
    })?;
    assert_eq!(recovered.torn, None);
    Ok(model)
}

/// Runs a workload until the disk stops after `operations`; answers the models after each acknowledged group, and the
/// one that was under way.
fn run(disk: &SimDisk, work: &[Vec<Item>]) -> (Model, Option<Vec<Item>>) {
    let mut acknowledged = Model::default();
    let Ok(mut log) = Kept::open(disk, SEGMENT) else { return (acknowledged, None) };
    for group in work {
        if log.write(group).is_err() {
            return (acknowledged, Some(group.clone()));
        }
        group.iter().for_each(|item| acknowledged.follow(item));
    }
    (acknowledged, None)
}

/// Whether the log is refused without its newest segment, as it must be once a group has been written there.
fn loss_is_noticed(disk: &SimDisk, dice: &mut Dice) -> bool {
    // All of it is synced: this crash is a copy.
    let disk = disk.crash(dice);
    let read =
        opening::headers(&disk, None).and_then(|headers| opening::recover_all(&disk, &headers, &mut |_, _, _| {}));
    let Some(tail) = read.ok().map(|read| read.tail).filter(|tail| tail.group > 0) else { return true };
    let name = segment::name(tail.header.generation);
    disk.remove(&name).is_ok() && matches!(reopen(&disk), Err(LogError::Missing { file }) if file == name)
}

/// Every state that a log may be in when only a part of `group`, from its beginning, has been kept.
fn allowed(acknowledged: &Model, group: Option<&[Item]>) -> Vec<Model> {
    let mut models = vec![acknowledged.clone()];
    let mut model = acknowledged.clone();
    for item in group.unwrap_or_default() {
        model.follow(item);
        models.push(model.clone());
    }
    models
}

#[test]
fn every_crash_point_reopens_to_what_was_acknowledged() {
    for seed in 0..4 {
        let work = workload(seed, 60);
        let whole = SimDisk::new();
        let (complete, unfinished) = run(&whole, &work);
        assert_eq!(unfinished, None);
        assert_eq!(reopen(&whole).ok(), Some(complete));
        for operations in 0..whole.operations() {
            let disk = SimDisk::new();
            disk.stop_after(operations);
            let (acknowledged, group) = run(&disk, &work);
            for throw in 0..3 {
                let mut dice = Dice(seed * 1_000_000 + operations * 10 + throw);
                let left = disk.crash(&mut dice);
                assert!(loss_is_noticed(&left, &mut dice), "seed {seed}, operation {operations}, throw {throw}");
                let found = match reopen(&left) {
                    Ok(found) => found,
                    Err(error) => unreachable!("seed {seed}, operation {operations}, throw {throw}: {error}"),
                };
                let allowed = allowed(&acknowledged, group.as_deref());
                assert!(allowed.contains(&found), "seed {seed}, operation {operations}, throw {throw}");
            }
        }
    }
}

#[test]
fn a_log_survives_crash_after_crash() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut disk = SimDisk::new();
        let mut model = Model::default();
        for life in 0..12 {
            let work: Vec<Vec<Item>> = (0..20)
                .map(|n| {
                    let next = model.entries.len() as u64 + n * 2;
                    super::items(&[entry(life, next, (dice.roll() % 700) as usize), entry(life, next + 1, 8)])
                })
                .collect();
            disk.stop_after(dice.roll() % 80);
            let mut under_way: &[Item] = &[];
            if let Ok(mut log) = Kept::open(&disk, SEGMENT) {
                for group in &work {
                    if log.write(group).is_err() {
                        under_way = group;
                        break;
                    }
                    group.iter().for_each(|item| model.follow(item));
                }
            }
            disk = disk.crash(&mut dice);
            let found = match reopen(&disk) {
                Ok(found) => found,
                Err(error) => unreachable!("seed {seed}, life {life}: {error}"),
            };
            assert!(allowed(&model, Some(under_way)).contains(&found), "seed {seed}, life {life}");
            model = found;
        }
    }
}
