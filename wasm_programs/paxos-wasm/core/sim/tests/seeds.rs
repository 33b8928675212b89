//! The cluster under faults, many seeds. `SEEDS=a..b` chooses which; the default suits a build.

use paxos_sim::world;

fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let given = std::env::var("SEEDS").ok();
    let range =
        given.as_deref().and_then(|s| s.split_once("..")).and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    range.unwrap_or(default)
}

#[test]
fn nothing_is_lost_doubled_or_stale_whatever_fails() {
    let range = seeds(0..300);
    let mut sum = world::Report::default();
    for seed in range.clone() {
        match world::run(seed, None) {
            Ok(report) => {
                sum.steps += report.steps;
                sum.answered += report.answered;
                sum.slots += report.slots;
                sum.crashes += report.crashes;
                sum.leaderships += report.leaderships;
                sum.installed += report.installed;
                sum.refused += report.refused;
                sum.died += report.died;
                sum.damaged += report.damaged;
                sum.lost += report.lost;
            }
            Err(e) => panic!("{e}"),
        }
    }
    println!(
        "{} seeds: {} steps, {} answers, {} slots, {} crashes, {} leaderships, {} snapshots fetched, {} wiped nodes refused, {} nodes died for good, {} named damage, {} messages lost",
        range.count(),
        sum.steps,
        sum.answered,
        sum.slots,
        sum.crashes,
        sum.leaderships,
        sum.installed,
        sum.refused,
        sum.died,
        sum.damaged,
        sum.lost
    );
}
