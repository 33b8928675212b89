//! Whatever happens in whichever order: a client's bytes are a prefix of what was produced, ended by exactly what was said;
//! credit is never exceeded; nobody is forgotten; and everybody has a turn. What must hold at each step is asserted in
//! [`super::world`].

use super::world::{END_PATIENCE, WRITE_PATIENCE, World};
use crate::client::clients::ROUND_BYTES;
use crate::client::{CHUNK, Ending};
use proptest::prelude::*;
use replicode_log::{BootNo, Output, Refusal};
use std::time::Duration;

/// Something that happens. Who it happens to is chosen among those who are there.
#[derive(Clone, Copy, Debug)]
enum Step {
    Knock,
    Sends(usize, u64),
    Ends(usize),
    Resets(usize),
    MakesRoom(usize, u64),
    Produces(usize, u64, u64),
    HalfCloses(usize),
    Deafens(usize),
    Closes(usize),
    ClosesWithReset(usize),
    Refuses(usize),
    Grants(usize, u64),
    Round(bool),
    Bring,
    Pass(u64),
    NewBoot,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..6_usize;
    let len = || prop_oneof![1..4_u64, 1..80_u64];
    let step = prop_oneof![
        3 => Just(Step::Knock),
        8 => (who(), len()).prop_map(|(who, len)| Step::Sends(who, len)),
        2 => who().prop_map(Step::Ends),
        1 => who().prop_map(Step::Resets),
        8 => (who(), len()).prop_map(|(who, len)| Step::MakesRoom(who, len)),
        12 => (who(), len(), 0..5_u64).prop_map(|(who, len, again)| Step::Produces(who, len, again)),
        2 => who().prop_map(Step::HalfCloses),
        1 => who().prop_map(Step::Deafens),
        2 => who().prop_map(Step::Closes),
        2 => who().prop_map(Step::ClosesWithReset),
        1 => who().prop_map(Step::Refuses),
        6 => (who(), len()).prop_map(|(who, len)| Step::Grants(who, len)),
        12 => prop::bool::weighted(0.2).prop_map(Step::Round),
        6 => Just(Step::Bring),
        3 => (0..3_000_u64).prop_map(Step::Pass),
        1 => Just(Step::NewBoot),
    ];
    prop::collection::vec(step, 1..200)
}

/// Those who have a place, and whom somebody may still say something of.
fn chosen(world: &World, who: usize) -> Option<usize> {
    let there: Vec<usize> = world.at_slot.values().copied().collect();
    there.get(who.checked_rem(there.len())?).copied()
}

fn carry_out(world: &mut World, step: Step) {
    let boot = world.boot;
    match step {
        Step::Knock => world.knock(),
        Step::Round(congested) => world.round(congested),
        Step::Bring => world.bring(),
        Step::Pass(ms) => world.pass(Duration::from_millis(ms)),
        Step::NewBoot => {
            world.bring();
            // What is said of the boot that is over is no promise any more, but a clean end still has to be a true one.
            world.peers.iter_mut().for_each(|peer| peer.impatient = true);
            world.boot = BootNo(boot.0 + 1);
            world.numbers.clear();
            world.clients.handle_boot(world.boot, world.now);
            world.bring();
            assert!(world.clients.is_empty() && world.at_slot.is_empty());
        }
        Step::Sends(who, len) => drop(chosen(world, who).map(|peer| world.send(peer, len))),
        Step::Ends(who) => drop(chosen(world, who).map(|peer| world.end(peer))),
        Step::Resets(who) => drop(chosen(world, who).map(|peer| world.reset(peer))),
        Step::MakesRoom(who, room) => drop(chosen(world, who).map(|peer| world.make_room(peer, room))),
        Step::Produces(who, len, again) => drop(chosen(world, who).map(|peer| world.produce(peer, len, again))),
        Step::HalfCloses(who) => {
            let Some(peer) = chosen(world, who).map(|peer| &mut world.peers[peer]).filter(|peer| !peer.over()) else {
                return;
            };
            peer.half_closed = true;
            let (conn, offset) = (peer.conn(boot), peer.produced);
            world.say(Output::HalfClose { conn, offset });
        }
        Step::Deafens(who) => {
            let ended = chosen(world, who).map(|peer| &mut world.peers[peer]).filter(|peer| !peer.over());
            let Some(peer) = ended.filter(|peer| peer.half_closed) else { return };
            peer.deaf = true;
            let conn = peer.conn(boot);
            world.say(Output::Deaf { conn });
        }
        Step::Closes(who) | Step::ClosesWithReset(who) | Step::Refuses(who) => {
            let Some(peer) = chosen(world, who).map(|peer| &mut world.peers[peer]).filter(|peer| !peer.over()) else {
                return;
            };
            let conn = peer.conn(boot);
            let output = match step {
                Step::Closes(_) => {
                    peer.said_closed = true;
                    Output::Closed { conn }
                }
                Step::ClosesWithReset(_) => {
                    peer.said_reset = true;
                    Output::Reset { conn }
                }
                _ => {
                    // At once, whatever waits.
                    (peer.log_reset, peer.impatient) = (true, true);
                    Output::Refused { conn, why: Refusal::TableFull }
                }
            };
            world.say(output);
        }
        Step::Grants(who, more) => {
            let Some(peer) = chosen(world, who).map(|peer| &mut world.peers[peer]) else { return };
            if !peer.log_end {
                peer.granted += more;
            }
            let (conn, limit) = (peer.conn(boot), peer.granted);
            world.say(Output::Credit { conn, limit });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_are_prefixes_that_end_as_said_and_nobody_is_forgotten(
        steps in steps(),
        recv_window in 1..50_u32,
        send_window in 1..50_u32,
        room in 0..60_u64,
        knows in any::<bool>(),
    ) {
        let mut world = World::new(recv_window, send_window, 6);
        (world.room, world.knows) = (room, knows);
        for step in steps {
            carry_out(&mut world, step);
        }
        // All that credit allows is in the log once nothing is left to do, and all that there is room for is written.
        world.settle();
        for peer in world.peers.iter().filter(|peer| peer.closed.is_none()) {
            if !peer.over() && !peer.deaf {
                prop_assert_eq!(peer.logged, peer.sent.min(peer.granted));
                prop_assert!(peer.log_end || !peer.ended || peer.sent >= peer.granted);
            }
            prop_assert!(peer.got == peer.produced || peer.room == 0);
            prop_assert!(peer.fin || !(peer.half_closed && peer.got == peer.produced && !peer.said_reset));
        }
        // Everybody reads: everything arrives, and whoever was closed is gone, with the end that was said.
        for peer in 0..world.peers.len() {
            world.make_room(peer, 1_000_000);
        }
        world.settle();
        for peer in 0..world.peers.len() {
            world.make_room(peer, 0);
        }
        world.pass(Duration::from_secs(1));
        world.settle();
        for peer in world.peers.iter().filter(|peer| peer.closed.is_none()) {
            prop_assert_eq!(peer.got, peer.produced);
            prop_assert!(!peer.said_reset || !knows && peer.fin);
        }
        world.pass(END_PATIENCE);
        world.settle();
        for peer in &world.peers {
            prop_assert!(peer.closed.is_some() || !peer.over(), "it is waited for for ever: {:?}", peer);
            if peer.closed == Some(Ending::Reset) && !peer.impatient && !peer.reset {
                prop_assert!(peer.said_reset && knows || peer.log_reset, "a false reset: {:?}", peer);
            }
        }
        prop_assert_eq!(world.clients.deadline(), None);
    }

    #[test]
    fn patience_ends_everybody_who_does_not_read(steps in steps(), room in 0..30_u64, knows in any::<bool>()) {
        let mut world = World::new(20, 20, 6);
        (world.room, world.knows) = (room, knows);
        for step in steps {
            carry_out(&mut world, step);
        }
        world.settle();
        world.peers.iter_mut().for_each(|peer| peer.impatient = true);
        for _ in 0..4 {
            world.pass(WRITE_PATIENCE);
            world.settle();
        }
        for peer in &world.peers {
            prop_assert!(peer.closed.is_some() || !peer.over(), "it is waited for for ever: {:?}", peer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_has_a_turn(count in 2..150_usize, rounds in 1..12_usize, late in any::<prop::sample::Index>()) {
        let mut world = World::new(u32::MAX, 1, 200);
        for _ in 0..count {
            world.client();
        }
        // Each has more to say than can be read, but one, which begins later.
        let (late, load) = (late.index(count), 1_000 * CHUNK as u64);
        (0..count).filter(|peer| *peer != late).for_each(|peer| world.send(peer, load));
        let served = |world: &World| world.peers.iter().map(|peer| peer.logged / CHUNK as u64).collect::<Vec<_>>();
        let others = |turns: &[u64]| {
            let counts = || turns.iter().enumerate().filter(|(peer, _)| *peer != late).map(|(_, turns)| *turns);
            (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
        };
        let mut began = 0;
        for round in 0..rounds {
            let before = served(&world);
            world.round(false);
            let after = served(&world);
            let read: u64 = after.iter().zip(&before).map(|(after, before)| after - before).sum();
            let full = (ROUND_BYTES / CHUNK).min(count - usize::from(round == 0)) as u64;
            prop_assert_eq!(read, full, "a round is bounded, and full");
            let (least, most) = others(&after);
            prop_assert!(most - least <= 1, "{:?}", after);
            if round == 0 {
                world.send(late, load);
                began = least;
            }
        }
        let turns = served(&world);
        let (least, most) = others(&turns);
        prop_assert!(turns[late] + began <= most && turns[late] + began + 1 >= least, "{:?}, {}", turns, began);
    }
}
