//! Mistakes that are planted in every disk are found, by the same seed again and again; those inside the replica are the business of
//! `tests/sim.sh mutants`. And what finds them can be made small.

use replicode_sim::mutants::{self, Found};
use replicode_sim::profiles::Profile;
use replicode_sim::report::bundle::Bundle;
use replicode_sim::report::shrink::{events, shrink};
use std::cell::Cell;

fn find(name: &str, from: u64) -> Found {
    let mutant = *mutants::ALL.iter().find(|known| known.name == name).expect("it is listed");
    mutants::find(mutant, from, 50).expect("it is found")
}

#[test]
fn a_disk_that_breaks_its_word_is_found_and_a_death_that_nobody_planned() {
    for name in ["syncs", "names", "refuses"] {
        find(name, 0);
    }
}

#[test]
fn what_goes_wrong_is_shown_by_few_events() {
    let mut sizes = Vec::new();
    for (name, from) in [("syncs", 200), ("names", 300), ("refuses", 400)] {
        let found = find(name, from);
        let bundle = Bundle::of(Profile::Consensus, found.seed, &found.plan, &found.outcome);
        let left = Cell::new(60);
        let goes_on = || left.replace(left.get() - 1) > 0;
        let (small, _) = shrink(&bundle, &goes_on).expect("it fails as it did");
        assert_eq!(small.expected, bundle.expected, "the same goes wrong");
        assert_eq!(small.run(false).expect("a world can be made").verdict.name(), bundle.expected);
        sizes.push(events(&small.plan));
    }
    sizes.sort_unstable();
    assert!(sizes[1] <= 10, "events left, sorted: {sizes:?}");
}
