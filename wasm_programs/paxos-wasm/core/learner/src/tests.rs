//! One input at a time, and what comes out.

use super::*;
use paxos_types::Ballot;

fn nodes() -> Vec<NodeId> {
    vec![NodeId(1), NodeId(2), NodeId(3)]
}

fn learner() -> Learner {
    let config = Config { snapshot_every: 1000, ..Config::new(NodeId(1), nodes()) };
    Learner::new(config, None)
}

fn at(node: u16, role: Role) -> Endpoint {
    Endpoint::new(NodeId(node), role)
}

fn from(endpoint: Endpoint, message: Message) -> Input {
    Input::Message { from: endpoint, message }
}

fn step_at(l: &mut Learner, now: u64, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    l.step(Instant(now), input, &mut out);
    out.retain(|o| {
        !matches!(o, Output::Send { message: Message::Heartbeat { .. } | Message::Executed { upto: Slot(0), .. }, .. })
    });
    out
}

fn step(l: &mut Learner, input: Input) -> Vec<Output> {
    step_at(l, 0, input)
}

fn voted(node: u16, round: u64, first: u64, count: u32, batches: &[&'static [u8]]) -> Input {
    let message = Message::Accepted {
        ballot: Ballot::new(round, NodeId(2)),
        incarnation: Incarnation(u64::from(node)),
        first: Slot(first),
        count,
        batches: batches.iter().map(|b| Bytes::from_static(b)).collect(),
    };
    from(at(node, Role::Acceptor), message)
}

fn execute(slot: u64, batch: &'static [u8]) -> Output {
    Output::Execute { slot: Slot(slot), batch: Bytes::from_static(batch) }
}

fn send(to: Endpoint, message: Message) -> Output {
    Output::Send { to: Target::One(to), message }
}

#[test]
fn a_majority_under_one_ballot_and_the_batch_make_a_slot_executed() {
    let mut l = learner();
    assert_eq!(step(&mut l, voted(1, 1, 1, 1, &[b"x"])), vec![]);
    assert_eq!(step(&mut l, voted(1, 1, 1, 1, &[b"x"])), vec![], "the same voter counts once");
    assert_eq!(step(&mut l, voted(2, 2, 1, 1, &[])), vec![], "votes under different ballots do not add up");
    assert_eq!(step(&mut l, voted(3, 1, 1, 1, &[])), vec![], "and those under the lower one are not counted any more");
    assert_eq!(
        step(&mut l, voted(3, 2, 1, 1, &[])),
        vec![],
        "the batch was accepted under a lower ballot than the chosen"
    );
    assert_eq!(step(&mut l, voted(1, 2, 1, 1, &[b"y"])), vec![execute(1, b"y")]);
    assert_eq!(step(&mut l, voted(2, 2, 1, 1, &[])), vec![], "once");
}

#[test]
fn slots_wait_for_those_before_them() {
    let mut l = learner();
    step(&mut l, voted(1, 1, 2, 2, &[b"b", b"c"]));
    assert_eq!(step(&mut l, voted(2, 1, 2, 2, &[])), vec![]);
    step(&mut l, voted(1, 1, 1, 1, &[b"a"]));
    assert_eq!(step(&mut l, voted(3, 1, 1, 1, &[])), vec![execute(1, b"a"), execute(2, b"b"), execute(3, b"c")]);
    assert_eq!(l.next(), Slot(4));
}

#[test]
fn strangers_other_storages_and_far_slots_count_for_nothing() {
    let mut l = learner();
    step(&mut l, voted(1, 1, 1, 1, &[b"a"]));
    assert_eq!(step(&mut l, voted(9, 1, 1, 1, &[])), vec![]);
    step(&mut l, voted(2, 0, 1, 0, &[]));
    let Input::Message { message: Message::Accepted { ballot, first, count, batches, .. }, .. } =
        voted(2, 1, 1, 1, &[])
    else {
        panic!()
    };
    let wiped = Message::Accepted { ballot, incarnation: Incarnation(77), first, count, batches };
    assert_eq!(step(&mut l, from(at(2, Role::Acceptor), wiped)), vec![]);
    assert_eq!(step(&mut l, voted(2, 1, u64::MAX - 3, u32::MAX, &[])), vec![]);
    assert_eq!(step(&mut l, voted(2, 1, 0, u32::MAX, &[])).len(), 1, "a run that covers it does");
}

#[test]
fn who_is_behind_asks_a_learner_that_knows_and_goes_on_until_it_has_all() {
    let mut l = learner();
    let peer = at(3, Role::Learner);
    let beat = Message::Heartbeat { leading: None, follows: None, fit: true, applied: Slot(5), life: 0 };
    assert_eq!(step(&mut l, from(peer, beat)), vec![]);
    let due = l.config.retransmit;
    assert_eq!(l.deadline(), Some(Instant(l.config.heartbeat)));
    let learn = |from| Message::Learn { from: Slot(from), to: Slot(from + 65535), values: true };
    assert_eq!(step_at(&mut l, due, Input::Tick), vec![send(peer, learn(1))]);
    let chosen = |first, batches: &[&'static [u8]]| {
        let batches = batches.iter().map(|b| Bytes::from_static(b)).collect();
        from(peer, Message::Chosen { first: Slot(first), batches })
    };
    let out = step_at(&mut l, due, chosen(1, &[b"a", b""]));
    assert_eq!(out, vec![execute(1, b"a"), execute(2, b""), send(peer, learn(3))]);
    let out = step_at(&mut l, due, chosen(2, &[b"", b"c", b"d", b"e"]));
    assert_eq!(out, vec![execute(3, b"c"), execute(4, b"d"), execute(5, b"e")]);
    assert!(!l.behind());
}

#[test]
fn without_a_learner_that_knows_the_acceptors_are_asked() {
    let mut l = learner();
    step(&mut l, voted(2, 1, 1, 3, &[]));
    let due = l.config.retransmit;
    let out = step_at(&mut l, due, Input::Tick);
    let asked: Vec<bool> = out
        .iter()
        .map(|o| match o {
            Output::Send { message: Message::Learn { from: Slot(1), to: Slot(3), values }, .. } => *values,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(asked, vec![true, false, false], "one of them for the batches");
}

#[test]
fn others_are_taught_from_the_tail() {
    let mut l = learner();
    for slot in 1..=3 {
        step(&mut l, voted(1, 1, slot, 1, &[b"x"]));
        step(&mut l, voted(2, 1, slot, 1, &[]));
    }
    let peer = at(2, Role::Learner);
    let learn = |from, to| Message::Learn { from: Slot(from), to: Slot(to), values: true };
    let x = Bytes::from_static(b"x");
    let out = step(&mut l, from(peer, learn(2, 2)));
    assert_eq!(out, vec![send(peer, Message::Chosen { first: Slot(2), batches: vec![x.clone()] })]);
    let out = step(&mut l, from(peer, learn(2, 9)));
    assert_eq!(out, vec![send(peer, Message::Chosen { first: Slot(2), batches: vec![x.clone(), x] })]);
    assert_eq!(step(&mut l, from(peer, learn(4, 9))), vec![]);
}

#[test]
fn a_snapshot_is_durable_before_anything_is_forgotten_and_carries_a_late_one() {
    let config = Config { snapshot_every: 2, tail_bytes: 0, chunk: 4, ..Config::new(NodeId(1), nodes()) };
    let mut l = Learner::new(config.clone(), None);
    step(&mut l, voted(1, 1, 1, 2, &[b"x", b"y"]));
    let out = step(&mut l, voted(2, 1, 1, 2, &[]));
    assert_eq!(out, vec![execute(1, b"x"), execute(2, b"y"), Output::TakeSnapshot { slot: Slot(2) }]);
    let state = Bytes::from_static(b"the state");
    assert_eq!(save(&mut l, 0, 2, &state), vec![send(at(1, Role::Acceptor), Message::Trim { upto: Slot(2) })]);

    // Another one, which has missed everything, gets it in parts. Node 1 is its peer.
    let mut late = Learner::new(Config { node: NodeId(2), ..config }, None);
    let peer = at(1, Role::Learner);
    let beat = Message::Heartbeat { leading: None, follows: None, fit: true, applied: Slot(2), life: 0 };
    step(&mut late, from(peer, beat));
    let mut now = late.config.retransmit;
    let mut to_first: Vec<Message> = messages(step_at(&mut late, now, Input::Tick));
    let mut rounds = 0;
    let mut last = Vec::new();
    while let Some(message) = to_first.pop() {
        now += 1;
        rounds += 1;
        for answer in messages(step_at(&mut l, now, from(at(2, Role::Learner), message))) {
            last = step_at(&mut late, now, from(peer, answer));
            to_first.extend(messages(last.clone()).into_iter().filter(|m| !matches!(m, Message::Executed { .. })));
        }
    }
    assert_eq!(rounds, 4, "the question, and three parts of at most four bytes");
    assert_eq!(last[0], Output::Install { slot: Slot(2), bytes: state });
    assert_eq!(late.next(), Slot(3));
}

/// The store has made the snapshot of that slot, in two parts, and it is durable.
fn save(l: &mut Learner, now: u64, slot: u64, bytes: &[u8]) -> Vec<Output> {
    let total = bytes.len() as u64;
    let (front, back) = bytes.split_at(bytes.len() / 2);
    for part in [front, back] {
        let bytes = Bytes::copy_from_slice(part);
        assert_eq!(step_at(l, now, Input::SnapshotPart { slot: Slot(slot), total, bytes }), vec![]);
    }
    step_at(l, now, Input::SnapshotSaved { slot: Slot(slot) })
}

/// Between its parts everything goes on, and nothing is forgotten or given away before all of it has come and is durable; one that was
/// fetched meanwhile takes its place.
#[test]
fn a_snapshot_comes_in_parts_and_holds_nothing_up() {
    let config = Config { snapshot_every: 1, ..Config::new(NodeId(1), nodes()) };
    let mut l = Learner::new(config, None);
    let vote = |l: &mut Learner, slot| {
        step(l, voted(1, 1, slot, 1, &[b"x"]));
        step(l, voted(2, 1, slot, 1, &[]))
    };
    assert_eq!(vote(&mut l, 1), vec![execute(1, b"x"), Output::TakeSnapshot { slot: Slot(1) }]);
    let part = |slot, bytes: &'static [u8]| Input::SnapshotPart {
        slot: Slot(slot),
        total: 4,
        bytes: Bytes::from_static(bytes),
    };
    let ask = from(at(2, Role::Learner), Message::SnapshotRequest { slot: Slot(0), offset: 0 });
    assert_eq!(step(&mut l, part(1, b"ab")), vec![]);
    assert_eq!(vote(&mut l, 2), vec![execute(2, b"x")], "another one is not due while one is being made");
    let early = step(&mut l, Input::SnapshotSaved { slot: Slot(1) });
    assert_eq!(early, vec![send(at(1, Role::Acceptor), Message::Trim { upto: Slot(0) })], "it is not whole");
    assert_eq!(step(&mut l, ask.clone()), vec![]);
    assert_eq!(step(&mut l, part(7, b"zz")), vec![], "of another one");
    assert_eq!(step(&mut l, part(1, b"cd")), vec![]);
    assert_eq!(step(&mut l, ask.clone()), vec![], "it is not durable");
    let out = step(&mut l, Input::SnapshotSaved { slot: Slot(1) });
    assert_eq!(out, vec![send(at(1, Role::Acceptor), Message::Trim { upto: Slot(1) })]);
    let digest = xxhash_rust::xxh3::xxh3_64(b"abcd");
    let bytes = Bytes::from_static(b"abcd");
    let whole = Message::SnapshotChunk { slot: Slot(1), offset: 0, total: 4, digest, bytes };
    assert_eq!(step(&mut l, ask.clone()), vec![send(at(2, Role::Learner), whole)]);

    // The next is half made when this learner finds that it is far behind.
    assert!(vote(&mut l, 3).contains(&Output::TakeSnapshot { slot: Slot(3) }));
    step(&mut l, part(3, b"ab"));
    let peer = at(2, Role::Learner);
    step(&mut l, from(peer, Message::Trimmed { first: Slot(9) }));
    let (total, digest) = (3, xxhash_rust::xxh3::xxh3_64(b"new"));
    let bytes = Bytes::from_static(b"new");
    let chunk = Message::SnapshotChunk { slot: Slot(8), offset: 0, total, digest, bytes: bytes.clone() };
    assert_eq!(step(&mut l, from(peer, chunk.clone()))[0], Output::Install { slot: Slot(8), bytes });
    step(&mut l, part(3, b"cd"));
    assert_eq!(step(&mut l, Input::SnapshotSaved { slot: Slot(3) }).len(), 1);
    assert_eq!(l.snapshot_slot(), Slot(1));
    step(&mut l, Input::SnapshotSaved { slot: Slot(8) });
    assert_eq!(l.snapshot_slot(), Slot(8));
    assert_eq!(step(&mut l, ask), vec![send(peer, chunk)]);
}

fn messages(out: Vec<Output>) -> Vec<Message> {
    out.into_iter()
        .filter_map(|o| match o {
            Output::Send { message, .. } => Some(message),
            _ => None,
        })
        .collect()
}

/// Acceptors remember all since the last snapshot, so large batches make one due as well as many do; also those that a restarted learner
/// hears of again.
#[test]
fn a_snapshot_is_due_after_bytes_as_well() {
    let config = Config { snapshot_bytes: 10, ..Config::new(NodeId(1), nodes()) };
    let taken = |l: &mut Learner, slot| {
        step(l, voted(2, 1, slot, 1, &[]));
        let out = step(l, voted(1, 1, slot, 1, &[b"12345"]));
        out.contains(&Output::TakeSnapshot { slot: Slot(slot) })
    };
    let mut l = Learner::new(config.clone(), None);
    assert_eq!([1, 2, 3].map(|slot| taken(&mut l, slot)), [false, true, false]);
    save(&mut l, 0, 2, &[7; 20]);
    assert_eq!(
        [4, 5, 6].map(|slot| taken(&mut l, slot)),
        [false, false, true],
        "20 bytes, as many as the last one has"
    );
    save(&mut l, 0, 6, &[7; 1000]);
    assert_eq!((7..=22).position(|slot| taken(&mut l, slot)), Some(15), "80 bytes, but not 1000");
    // What comes again after a restart counts.
    let mut l = Learner::new(config, Some((Slot(6), Bytes::from_static(b"state"))));
    assert_eq!([7, 8].map(|slot| taken(&mut l, slot)), [false, true]);
}

#[test]
fn a_snapshot_is_due_by_bytes_too_and_not_at_the_same_slot_everywhere() {
    let config = Config { snapshot_bytes: 3, ..Config::new(NodeId(1), nodes()) };
    let mut l = Learner::new(config, None);
    let mut both = |first, batches: &[&'static [u8]]| {
        step(&mut l, voted(1, 1, first, batches.len() as u32, batches));
        step(&mut l, voted(2, 1, first, batches.len() as u32, &[])).pop()
    };
    assert_eq!(both(1, &[b"ab"]), Some(execute(1, b"ab")));
    assert_eq!(both(2, &[b"c"]), Some(Output::TakeSnapshot { slot: Slot(2) }));
    assert_eq!(both(3, &[b"defg"]), Some(execute(3, b"defg")), "one at a time");
    for (node, first) in [(1, 9), (2, 6), (3, 3)] {
        let config = Config { snapshot_every: 9, ..Config::new(NodeId(node), nodes()) };
        let mut l = Learner::new(config, None);
        let due = (1..=9u64).find(|slot| {
            step(&mut l, voted(1, 1, *slot, 1, &[b""]));
            let out = step(&mut l, voted(2, 1, *slot, 1, &[]));
            out.iter().any(|o| matches!(o, Output::TakeSnapshot { .. }))
        });
        assert_eq!(due, Some(first));
    }
}

#[test]
fn a_snapshot_that_is_being_fetched_outlives_the_next_one() {
    let config = Config { chunk: 2, snapshot_every: 1, ..Config::new(NodeId(1), nodes()) };
    let mut l = Learner::new(config, Some((Slot(8), Bytes::from_static(b"abcd"))));
    let peer = at(2, Role::Learner);
    let ask = |slot, offset| from(peer, Message::SnapshotRequest { slot: Slot(slot), offset });
    let got = |out: Vec<Output>| {
        messages(out).into_iter().find_map(|m| match m {
            Message::SnapshotChunk { slot, offset, bytes, .. } => Some((slot.0, offset, bytes)),
            _ => None,
        })
    };
    let part = |slot, offset, bytes| Some((slot, offset, Bytes::from_static(bytes)));
    assert_eq!(got(step_at(&mut l, 1, ask(0, 0))), part(8, 0, b"ab"));
    step_at(&mut l, 2, voted(1, 1, 9, 1, &[b"x"]));
    step_at(&mut l, 2, voted(2, 1, 9, 1, &[]));
    save(&mut l, 2, 9, b"efgh");
    assert_eq!(got(step_at(&mut l, 3, ask(8, 2))), part(8, 2, b"cd"));
    assert_eq!(got(step_at(&mut l, 3, ask(0, 0))), part(9, 0, b"ef"), "whoever begins gets the newest");
    let later = 4 + 10 * l.config.retransmit;
    step_at(&mut l, later, Input::Tick);
    assert_eq!(got(step_at(&mut l, later, ask(8, 2))), part(9, 0, b"ef"), "nobody asked for long");
}

#[test]
fn a_snapshot_with_a_wrong_digest_is_not_installed() {
    let mut l = learner();
    let peer = at(2, Role::Learner);
    step(&mut l, from(peer, Message::Trimmed { first: Slot(9) }));
    let chunk = |digest| Message::SnapshotChunk {
        slot: Slot(8),
        offset: 0,
        total: 3,
        digest,
        bytes: Bytes::from_static(b"abc"),
    };
    assert_eq!(step(&mut l, from(peer, chunk(1))), vec![]);
    step(&mut l, from(peer, Message::Trimmed { first: Slot(9) }));
    let out = step(&mut l, from(peer, chunk(xxhash_rust::xxh3::xxh3_64(b"abc"))));
    assert_eq!(out[0], Output::Install { slot: Slot(8), bytes: Bytes::from_static(b"abc") });
}

#[test]
fn it_begins_after_its_snapshot_and_says_so() {
    let config = Config::new(NodeId(1), nodes());
    let mut l = Learner::new(config, Some((Slot(8), Bytes::from_static(b"s"))));
    let out = step(&mut l, Input::Tick);
    assert_eq!(
        out,
        vec![
            send(at(1, Role::Proposer), Message::Executed { upto: Slot(8), replies: vec![] }),
            send(at(1, Role::Acceptor), Message::Trim { upto: Slot(8) }),
        ]
    );
}

#[test]
fn answers_go_in_messages_of_a_bearable_size_and_only_the_last_says_how_far_it_is() {
    use paxos_types::{BatchId, ClientId, Outcome, Reply, SlotReplies};
    let nodes = vec![NodeId(1), NodeId(2), NodeId(3)];
    let mut config = Config::new(NodeId(1), nodes);
    config.chunk = 300;
    let mut learner = Learner::new(config, None);
    learner.step(Instant(1), Input::Tick, &mut Vec::new());
    let reply = |client: u128, len: usize| {
        let mut bytes = Vec::new();
        let value = vec![7; len];
        let outcome = Outcome::Value(&value);
        Reply { client: ClientId(client), seq: 1, index: 1, version: 0, outcome }.encode(&mut bytes);
        bytes
    };
    let batch = |number| BatchId { origin: NodeId(1), round: 1, number };
    let replies = vec![
        SlotReplies {
            batch: batch(1),
            first: 0,
            replies: (0..10).flat_map(|c| reply(c, 50)).collect::<Vec<u8>>().into(),
        },
        SlotReplies { batch: batch(2), first: 0, replies: reply(10, 1000).into() },
        SlotReplies { batch: batch(3), first: 0, replies: reply(11, 0).into() },
    ];
    let mut out = Vec::new();
    learner.step(Instant(1), Input::Applied { upto: Slot(3), replies }, &mut out);
    let parts: Vec<(Slot, Vec<SlotReplies>)> = out
        .into_iter()
        .filter_map(|output| match output {
            Output::Send { message: Message::Executed { upto, replies }, .. } => Some((upto, replies)),
            _ => None,
        })
        .collect();
    let uptos: Vec<u64> = parts.iter().map(|(upto, _)| upto.0).collect();
    assert_eq!(uptos, [0, 0, 0, 0, 0, 3]);
    // All replies are there, in order, each part says where it begins, and no message is larger than it must be.
    let mut next = std::collections::BTreeMap::new();
    for (_, replies) in &parts {
        let bytes: usize = replies.iter().map(|item| item.replies.len()).sum();
        assert!(bytes <= 300 || replies.len() == 1 && bytes == reply(10, 1000).len(), "{bytes}");
        for item in replies {
            let at = next.entry(item.batch.number).or_insert(0u32);
            assert_eq!(item.first, *at);
            *at += paxos_types::reply::Replies::new(&item.replies).count() as u32;
        }
    }
    assert_eq!(next.into_iter().collect::<Vec<_>>(), [(1, 10), (2, 1), (3, 1)]);
    // What was told never goes back; and what has no answers is told after a while.
    let due = Instant(1 + learner.config.heartbeat / 8);
    let mut told = |now, input| {
        let mut out = Vec::new();
        learner.step(Instant(now), input, &mut out);
        let told = out.into_iter().find_map(|output| match output {
            Output::Send { message: Message::Executed { upto, replies }, .. } => Some((upto.0, replies.len())),
            _ => None,
        });
        (told, learner.deadline())
    };
    assert_eq!(told(2, Input::Applied { upto: Slot(2), replies: Vec::new() }), (None, Some(due)));
    assert_eq!(told(3, Input::Applied { upto: Slot(4), replies: Vec::new() }), (None, Some(due)));
    assert_eq!(told(due.0, Input::Tick).0, Some((4, 0)));
    assert_eq!(told(due.0, Input::Tick).0, None, "once");
}
