//! A disk that has proven steady: followers sync on the spot, on the thread that hears their peers. And then it freezes for seconds.

use replicode_sim::consensus::run;
use replicode_sim::faults::Kinds;
use replicode_sim::outcome::{Outcome, Verdict};
use replicode_sim::plan::{Act, MS, Plan, SECOND, Step};

/// Three nodes with quick disks that are trusted after so many syncs, and what happens besides.
fn outcome(seed: u64, steady_syncs: u32, freezes: &[(u64, usize, u64)]) -> Outcome {
    let mut plan =
        Plan { sync: (70_000, 150_000), slow_syncs: 0, effort: 0, steady_syncs, ..Plan::of(seed, Kinds::NONE) };
    let freezes = freezes.iter().map(|(at, node, long)| Step { at: *at, act: Act::Freeze(*node, *long) });
    plan.steps.extend(freezes);
    plan.steps.sort_by_key(|step| step.at);
    run(seed, &plan, false).expect("a world can be made")
}

#[test]
fn followers_sync_on_the_spot_once_their_disk_has_proven_steady() {
    let (never, late, soon) = (outcome(1, 0, &[]), outcome(1, 100, &[]), outcome(1, 1, &[]));
    for outcome in [&never, &late, &soon] {
        assert_eq!(outcome.verdict, Verdict::Kept);
    }
    assert_eq!(never.spots, 0);
    assert!(0 < late.spots && late.spots < soon.spots, "{} and {}", late.spots, soon.spots);
}

#[test]
fn a_steady_disk_that_freezes_for_seconds_breaks_no_promise() {
    let mut held_up = 0;
    for seed in 0..4 {
        let freezes =
            [(4 * SECOND, 0, 3 * SECOND), (4 * SECOND + 200 * MS, 1, 5 * SECOND), (8 * SECOND, 2, 4 * SECOND)];
        let frozen = outcome(seed, 1, &freezes);
        assert_eq!(frozen.verdict, Verdict::Kept, "seed {seed}");
        let calm = outcome(seed, 1, &[]);
        assert!(frozen.batches > 0 && frozen.spots > 0, "seed {seed}");
        held_up += u64::from(frozen.terms > calm.terms || frozen.batches < calm.batches);
    }
    assert!(held_up > 0, "nobody noticed that disks were frozen");
}
