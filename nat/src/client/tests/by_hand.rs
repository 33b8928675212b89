//! The client half driven by hand: what each call leads to.

use super::world::{END_PATIENCE, WRITE_PATIENCE, World, bytes};
use crate::client::{ClientState, Ending, Order, Patience, Readiness, ToRead, ToWrite, Unwelcome, Word, Wrote};
use replicode_log::{BootNo, Input, KeepAlive, Mono, Output, Refusal};
use std::time::Duration;

#[test]
fn a_client_is_numbered_read_against_credit_and_answered() {
    let mut world = World::new(10, 8, 10);
    let c = world.client();
    assert_eq!(world.clients.infos()[0].state, ClientState::Open);
    world.send(c, 25);
    world.settle();
    assert_eq!((world.peers[c].logged, world.clients.infos()[0].credit), (10, 10));
    let conn = world.peers[c].conn(world.boot);
    world.peers[c].granted = 16;
    world.say(Output::Credit { conn, limit: 16 });
    world.settle();
    assert_eq!(world.peers[c].logged, 16);
    world.produce(c, 5, 0);
    world.bring();
    assert_eq!((world.peers[c].got, world.peers[c].acked), (5, 5), "a quarter of the window is worth a word");
    let second = world.client();
    assert_eq!((world.peers[second].number, world.clients.len()), (1, 2));
}

#[test]
fn whoever_is_not_welcome_has_no_number() {
    let mut world = World::new(10, 10, 1);
    let first = world.client();
    world.knock();
    world.round(false);
    assert_eq!((world.clients.len(), world.clients.place()), (1, Err(Unwelcome::Full(1))));
    world.reset(first);
    world.settle();
    let next = world.client();
    assert_eq!(world.peers[next].number, 1);
    world.clients.handle_suspend(world.now);
    assert_eq!(world.clients.place(), Err(Unwelcome::NoBoot));
}

#[test]
fn a_boot_that_is_over_resets_its_clients_without_a_word() {
    let mut world = World::new(10, 10, 10);
    let c = world.client();
    world.send(c, 5);
    world.round(true);
    let now = world.now;
    world.clients.handle_boot(BootNo(1), now);
    assert_eq!((world.clients.len(), world.clients.poll_order()), (1, None), "being admitted twice changes nothing");
    world.clients.handle_boot(BootNo(2), now);
    let orders: Vec<_> = std::iter::from_fn(|| world.clients.poll_order()).collect();
    let close = Order::Close { slot: world.peers[c].slot, ending: Ending::Reset };
    assert_eq!(orders, [close, Order::IgnoreDoors, Order::WatchDoors]);
    assert_eq!(world.clients.poll_inputs(), None);
    world.clients.handle_round(false, now);
    assert_eq!((world.clients.poll_read(), world.clients.deadline()), (None, None));
}

#[test]
fn a_place_is_free_once_the_end_of_its_client_has_been_carried_out() {
    let mut world = World::new(10, 10, 10);
    let c = world.client();
    let slot = world.peers[c].slot;
    let conn = world.peers[c].conn(world.boot);
    world.say(Output::Refused { conn, why: Refusal::TableFull });
    assert_ne!(world.clients.place(), Ok(slot));
    let word = Order::Tell(Word::Refused(Output::Refused { conn, why: Refusal::TableFull }));
    assert_eq!(world.clients.poll_order(), Some(word));
    assert_ne!(world.clients.place(), Ok(slot));
    assert_eq!(world.clients.poll_order(), Some(Order::Close { slot, ending: Ending::Reset }));
    assert_eq!((world.clients.place(), world.clients.poll_inputs()), (Ok(slot), None));
}

#[test]
fn a_write_is_the_same_again_until_its_outcome_is_told() {
    let mut world = World::new(10, 100, 10);
    let c = world.client();
    let (slot, conn) = (world.peers[c].slot, world.peers[c].conn(world.boot));
    let mut offset = 0;
    for len in [3, 4, 5] {
        world.say(Output::Data { conn, offset, bytes: bytes(0, 1, offset, len) });
        offset += len;
    }
    world.say(Output::HalfClose { conn, offset });
    let now = world.now;
    let mut next = |wrote| {
        world.clients.handle_wrote(slot, wrote, now);
        match world.clients.poll_write() {
            Some(ToWrite::Bytes { slot: of, chunks }) => (of, chunks.map(<[u8]>::len).collect::<Vec<_>>()),
            Some(ToWrite::End { slot: of }) => (of, vec![0]),
            None => (slot, vec![]),
        }
    };
    assert_eq!(next(Wrote::Again), (slot, vec![3, 4, 5]));
    assert_eq!(next(Wrote::Bytes(4)), (slot, vec![3, 5]));
    assert_eq!(next(Wrote::Full), (slot, vec![]), "what is full is left until there is room");
    world.clients.handle_event(slot, Readiness { writable: true, ..Readiness::default() });
    let mut next = |wrote| {
        world.clients.handle_wrote(slot, wrote, now);
        match world.clients.poll_write() {
            Some(ToWrite::Bytes { chunks, .. }) => chunks.map(<[u8]>::len).collect::<Vec<_>>(),
            Some(ToWrite::End { .. }) => vec![0],
            None => vec![],
        }
    };
    assert_eq!(next(Wrote::Bytes(7)), [1]);
    assert_eq!(next(Wrote::Bytes(1)), [0]);
    assert_eq!(next(Wrote::End), []);
    assert_eq!(world.clients.infos()[0].state, ClientState::ProgramDone);
}

#[test]
fn outputs_that_contradict_each_other_become_a_reset_that_is_told() {
    let wrong: [fn(replicode_log::ConnId) -> Output; 4] = [
        |conn| Output::Data { conn, offset: 4, bytes: b"gap".to_vec() },
        |conn| Output::Data { conn, offset: 3, bytes: vec![0; 101] },
        |conn| Output::HalfClose { conn, offset: 4 },
        |conn| Output::HalfClose { conn, offset: 2 },
    ];
    for output in wrong {
        let mut world = World::new(100, 100, 10);
        let c = world.client();
        world.produce(c, 3, 0);
        world.bring();
        let conn = world.peers[c].conn(world.boot);
        world.say(output(conn));
        assert!(matches!(world.clients.poll_order(), Some(Order::Tell(Word::Contradiction(of, _))) if of == conn));
        assert!(matches!(world.clients.poll_order(), Some(Order::Close { ending: Ending::Reset, .. })));
        assert_eq!(world.clients.poll_inputs(), Some(&mut vec![Input::Reset { conn }]));
    }
}

#[test]
fn a_closed_client_has_its_patience_and_no_more() {
    let mut world = World::new(10, 100, 10);
    let c = world.client();
    world.produce(c, 100, 0);
    let conn = world.peers[c].conn(world.boot);
    world.peers[c].said_closed = true;
    world.peers[c].room = 30;
    world.say(Output::Closed { conn });
    world.settle();
    assert_eq!(world.clients.deadline(), Some(world.now.plus(WRITE_PATIENCE)));
    world.pass(WRITE_PATIENCE / 2);
    world.make_room(c, 20);
    world.settle();
    assert_eq!(world.clients.deadline(), Some(world.now.plus(WRITE_PATIENCE)), "it reads");
    world.make_room(c, 100);
    world.settle();
    assert_eq!((world.peers[c].fin, world.clients.deadline()), (true, Some(world.now.plus(END_PATIENCE))));
    world.send(c, 500);
    world.pass(END_PATIENCE / 2);
    world.settle();
    assert_eq!((world.peers[c].taken, world.peers[c].logged), (500, 0), "it is thrown away");
    world.pass(END_PATIENCE / 2);
    world.settle();
    assert_eq!((world.peers[c].closed, world.clients.deadline()), (Some(Ending::InGoodOrder), None));
}

#[test]
fn a_reset_waits_until_everything_has_arrived() {
    let mut world = World::new(10, 100, 10);
    let c = world.client();
    world.produce(c, 60, 0);
    let conn = world.peers[c].conn(world.boot);
    world.peers[c].said_reset = true;
    world.say(Output::Reset { conn });
    world.settle();
    for _ in 0..5 {
        world.pass(Duration::from_secs(1));
        world.settle();
        assert_eq!(world.peers[c].closed, None);
    }
    world.make_room(c, 0);
    world.pass(Duration::from_secs(1));
    world.settle();
    assert_eq!((world.peers[c].fin, world.peers[c].closed), (false, Some(Ending::Reset)));
}

#[test]
fn where_nobody_knows_what_has_arrived_a_reset_becomes_an_end() {
    let mut world = World::new(10, 100, 10);
    world.knows = false;
    let c = world.client();
    world.produce(c, 6, 0);
    let conn = world.peers[c].conn(world.boot);
    world.peers[c].said_reset = true;
    world.say(Output::Reset { conn });
    // Whoever brings it writes the end too.
    world.bring();
    assert_eq!((world.peers[c].fin, world.clients.deadline()), (true, Some(Mono::LONG_AGO)));
    world.settle();
    assert_eq!(world.clients.deadline(), Some(world.now.plus(END_PATIENCE)));
    world.pass(END_PATIENCE);
    world.settle();
    assert_eq!(world.peers[c].closed, Some(Ending::InGoodOrder));
}

#[test]
fn a_read_that_ends_before_urgent_bytes_is_no_reason_to_wait() {
    for (urgent, goes_on) in [(false, false), (true, true)] {
        let mut world = World::new(100, 100, 10);
        let c = world.client();
        let slot = world.peers[c].slot;
        world.clients.handle_event(slot, Readiness { readable: true, urgent, ..Readiness::default() });
        world.clients.handle_round(false, world.now);
        assert_eq!(world.clients.poll_read(), Some(ToRead { slot, most: 100 }));
        world.clients.handle_read(slot, crate::client::Read::Bytes(b"short"), world.now);
        assert_eq!(world.clients.poll_read(), None, "once a round");
        world.clients.handle_round(false, world.now);
        assert_eq!(world.clients.poll_read().is_some(), goes_on);
    }
}

#[test]
fn a_congested_log_is_asked_again_soon_and_gets_nothing_new() {
    let mut world = World::new(100, 100, 10);
    let (reader, closing) = (world.client(), world.client());
    world.send(reader, 4);
    world.send(closing, 6);
    let conn = world.peers[closing].conn(world.boot);
    world.peers[closing].said_closed = true;
    world.say(Output::Closed { conn });
    world.end(closing);
    world.knock();
    world.round(true);
    world.round(true);
    assert_eq!((world.peers[reader].taken, world.peers.len()), (0, 2));
    assert_eq!(world.peers[closing].closed, Some(Ending::InGoodOrder), "its end is found all the same");
    assert_eq!(world.clients.deadline(), Some(world.now.plus(Duration::from_millis(2))));
    world.round(false);
    assert_eq!((world.peers[reader].logged, world.peers.len()), (4, 3));
}

#[test]
fn a_silent_host_is_asked_as_soon_as_the_program_wants() {
    let mut world = World::new(100, 100, 10);
    let c = world.client();
    let (slot, conn) = (world.peers[c].slot, world.peers[c].conn(world.boot));
    let wanted = Some(KeepAlive { idle: 5, interval: 1, count: 3 });
    world.say(Output::KeepAlive { conn, wanted });
    let patience = Patience::default().sooner(wanted);
    assert_eq!(patience.idle, Duration::from_secs(5));
    assert_eq!(world.clients.poll_order(), Some(Order::KeepAlive { slot, patience }));
}

#[test]
fn whoever_waits_is_woken_only_for_what_it_would_miss() {
    let mut world = World::new(4, 100, 10);
    let c = world.client();
    world.send(c, 9);
    world.settle();
    let (before, conn) = (world.clients.outlook(), world.peers[c].conn(world.boot));
    world.produce(c, 3, 0);
    world.bring();
    assert_eq!(world.clients.outlook(), before, "an answer is written on the spot");
    world.peers[c].granted = 9;
    world.say(Output::Credit { conn, limit: 9 });
    world.bring();
    assert_ne!(world.clients.outlook(), before, "there is something to read");
    world.settle();
    assert_eq!((world.peers[c].logged, world.clients.outlook()), (9, before));
    world.peers[c].said_closed = true;
    world.say(Output::Closed { conn });
    world.bring();
    assert_ne!(world.clients.outlook(), before, "patience with its end begins");
}
