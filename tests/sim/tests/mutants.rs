//! Mistakes that are planted are found, by the same seed again and again.

use replicode_sim::consensus::{Verdict, run};
use replicode_sim::plan::{Kinds, Plan};
use replicode_sim::world::disk::Plant;

/// The first of these seeds that finds it.
fn found(plant: Plant) -> Option<(u64, Verdict)> {
    let with = |seed| Plan { plant: Some(plant), ..Plan::of(seed, Kinds::ALL) };
    let verdict = |seed| run(seed, &with(seed)).expect("a world can be made, and a program run").verdict;
    let (seed, first) = (0..100).map(|seed| (seed, verdict(seed))).find(|(_, verdict)| *verdict != Verdict::Kept)?;
    assert_eq!(verdict(seed), first, "seed {seed} again");
    let without = run(seed, &Plan::of(seed, Kinds::ALL)).expect("a world can be made, and a program run").verdict;
    assert_eq!(without, Verdict::Kept, "seed {seed} without the mistake");
    Some((seed, first))
}

#[test]
fn what_counts_as_durable_before_it_is_gets_lost() {
    let found = found(Plant::Syncs);
    assert!(matches!(found, Some((_, Verdict::Broken(_) | Verdict::Died(_)))), "{found:?}");
}

#[test]
fn names_that_are_not_durable_are_missed() {
    let found = found(Plant::Names);
    assert!(matches!(found, Some((_, Verdict::Broken(_) | Verdict::Died(_)))), "{found:?}");
}
