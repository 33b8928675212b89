//! Whose turn it is, and when nobody has one.

use replicode_sim::world::clock::Clock;
use replicode_sim::world::executor::{Order, ProcessId, World};
use replicode_sim::world::net::{Net, Weather};
use std::sync::{Arc, Mutex};
use std::task::Poll;

const MS: u64 = 1_000_000;

fn world(seed: u64, order: Order) -> (World, ProcessId) {
    let world = World::new(seed, order, 20_000, Net::new(seed, Weather::default()));
    let clock = Clock { drift_ppm: 0, offset: 0, wall_offset: 0 };
    let process = world.process(0, 1, clock);
    (world, process)
}

/// A task that always has something to do, and notes its turns.
fn greedy(world: &World, process: ProcessId, lane: usize, name: u8, seen: &Arc<Mutex<Vec<u8>>>) {
    let seen = seen.clone();
    let task = futures::future::poll_fn(move |context| {
        seen.lock().expect("nobody panics with it").push(name);
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    world.spawn(process, lane, false, Box::pin(task));
}

#[test]
fn on_a_busy_lane_everybody_has_a_turn() {
    for (seed, order) in [(1, Order::First), (2, Order::Random), (3, Order::Ranked)] {
        let (world, process) = world(seed, order);
        let seen = Arc::default();
        for name in 0..4 {
            greedy(&world, process, 0, name, &seen);
        }
        world.run_until(20 * MS);
        let seen = seen.lock().expect("nobody panics with it");
        for name in 0..4 {
            let turns = seen.iter().filter(|seen| **seen == name).count();
            assert!(turns * 8 > seen.len(), "{order:?}: {turns} of {} turns for {name}", seen.len());
        }
    }
}

#[test]
fn first_come_is_first_served() {
    let (world, process) = world(4, Order::First);
    let seen = Arc::default();
    for name in 0..3 {
        greedy(&world, process, 2, name, &seen);
    }
    world.run_until(5 * MS);
    let seen = seen.lock().expect("nobody panics with it");
    assert!(seen.len() > 100, "{}", seen.len());
    assert!(seen.chunks_exact(3).all(|turns| turns == [0, 1, 2]), "{:?}", &seen[..30]);
}

#[test]
fn a_pause_within_a_pause_ends_with_the_longer_one() {
    let (world, process) = world(5, Order::First);
    let seen = Arc::default();
    greedy(&world, process, 0, 0, &seen);
    world.run_until(MS);
    world.pause(process, 50 * MS);
    world.pause(process, 10 * MS);
    let before = seen.lock().expect("nobody panics with it").len();
    world.run_until(49 * MS);
    assert_eq!(seen.lock().expect("nobody panics with it").len(), before, "it is paused still");
    world.run_until(51 * MS);
    let after = seen.lock().expect("nobody panics with it").len();
    assert!(after > before);
    world.pause(process, 100 * MS);
    world.run_until(60 * MS);
    let paused = seen.lock().expect("nobody panics with it").len();
    world.resume(process);
    world.run_until(61 * MS);
    assert!(seen.lock().expect("nobody panics with it").len() > paused, "a pause can be ended");
}

#[test]
fn a_lane_that_starves_holds_up_no_other() {
    let (world, process) = world(6, Order::First);
    let seen = Arc::default();
    greedy(&world, process, 0, 0, &seen);
    greedy(&world, process, 1, 1, &seen);
    world.core().starve(process, 1, 10 * MS);
    world.run_until(9 * MS);
    assert!(seen.lock().expect("nobody panics with it").iter().all(|name| *name == 0));
    world.run_until(12 * MS);
    assert!(seen.lock().expect("nobody panics with it").contains(&1));
}
