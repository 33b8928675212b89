//! Every state of a small world: 3 acceptors, 2 proposers, 3 values in 2 slots, messages that are lost, doubled and reordered at will,
//! crashes with and without the disk. The acceptors' and proposers' cores themselves are driven; what is explored is stated in [`Bounds`].
//!
//! `EXPLORE=long cargo test --release -p paxos-sim --test explore -- --nocapture` takes minutes, without it about half a minute.

mod model;

use model::{Bounds, World};
use stateright::{Checker, Model};
use std::time::Duration;

fn long() -> bool {
    std::env::var("EXPLORE").is_ok_and(|v| v == "long")
}

/// Explores all of it; panics with the shortest way there if something does not hold.
fn explore(name: &str, bounds: Bounds) {
    let world = World { bounds: bounds.clone(), mutation: None };
    let begun = std::time::Instant::now();
    let checker = world.checker().threads(2).timeout(Duration::from_secs(600)).spawn_bfs().join();
    println!(
        "{name}: {} states, {} of them different, depth {}, {:.1} s; {bounds:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f64()
    );
    checker.assert_properties();
    assert!(checker.is_done(), "{name} took longer than ten minutes");
}

const NOTHING_FAILS: Bounds = Bounds { leaderships: [1, 1], acceptors_crash: false, proposers_crash: false, wipes: 0 };
const CRASHES: Bounds = Bounds { acceptors_crash: true, proposers_crash: true, ..NOTHING_FAILS };

#[test]
fn two_leaderships_and_crashes_that_keep_the_disk() {
    explore("a leadership each", NOTHING_FAILS);
    explore("a leadership each, and crashes", CRASHES);
}

#[test]
fn one_proposer_leads_again() {
    explore("two leaderships of one", Bounds { leaderships: [2, 0], ..CRASHES });
}

#[test]
fn a_crash_that_loses_the_disk() {
    explore("an acceptor loses its disk", Bounds { wipes: 1, acceptors_crash: true, ..NOTHING_FAILS });
    if long() {
        explore("an acceptor loses its disk, and crashes", Bounds { wipes: 1, ..CRASHES });
    }
}

/// Too many states to see all; the first four million, which take about 2 GB.
#[test]
fn three_leaderships() {
    if long() {
        let world = World { bounds: Bounds { leaderships: [2, 1], ..CRASHES }, mutation: None };
        let checker = world.checker().threads(2).target_state_count(4_000_000).spawn_bfs().join();
        println!(
            "three leaderships: {} states, {} of them different, depth {}",
            checker.state_count(),
            checker.unique_state_count(),
            checker.max_depth()
        );
        for never in ["one value per slot", "one value per ballot and slot", "a wiped acceptor takes no part"] {
            assert!(checker.discovery(never).is_none(), "not {never}");
        }
    }
}

/// Each of these breaks a rule that keeps data safe, and a state that shows it is found.
#[cfg(feature = "planted")]
#[test]
fn planted_bugs_are_found() {
    use paxos_types::Mutation;
    use stateright::HasDiscoveries;
    let again = Bounds { leaderships: [2, 1], ..CRASHES };
    for (mutation, bounds) in [
        (Mutation::AnswerBeforeSync, CRASHES),
        (Mutation::ForgetPromise, CRASHES),
        (Mutation::ReuseBallot, again),
        (Mutation::SkipPhase1, NOTHING_FAILS),
    ] {
        let world = World { bounds, mutation: Some(mutation) };
        let checker = world.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found =
            checker.discovery("one value per slot").or_else(|| checker.discovery("one value per ballot and slot"));
        let Some(path) = found else { panic!("{mutation:?} was not found in {} states", checker.unique_state_count()) };
        println!(
            "{mutation:?}: found after {} states, {} of them different, in {} steps",
            checker.state_count(),
            checker.unique_state_count(),
            path.into_actions().len()
        );
    }
}
