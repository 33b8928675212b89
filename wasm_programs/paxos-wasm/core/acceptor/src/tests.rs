//! One input at a time, and what comes out.

use super::*;

const LEADER: Endpoint = Endpoint { node: NodeId(2), role: Role::Proposer };

fn nodes() -> Vec<NodeId> {
    vec![NodeId(1), NodeId(2), NodeId(3)]
}

fn fresh() -> Acceptor {
    let config = Config::new(NodeId(1), nodes(), Incarnation(11));
    Acceptor::open(config, []).unwrap_or_else(|e| panic!("{e}"))
}

/// A disk that keeps what is appended, and says so when told.
#[derive(Default)]
struct Disk {
    records: Vec<(u64, Bytes)>,
}

fn step(a: &mut Acceptor, disk: &mut Disk, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    a.step(Instant(0), input, &mut out);
    let mut rest = Vec::new();
    for output in out {
        match output {
            Output::Append(bytes) => {
                let position = disk.records.last().map_or(0, |r| r.0) + 1;
                disk.records.push((position, bytes));
            }
            Output::Send { message: Message::Heartbeat { .. }, .. } => {}
            other => rest.push(other),
        }
    }
    rest
}

fn from(endpoint: Endpoint, message: Message) -> Input {
    Input::Message { from: endpoint, message }
}

fn sync(a: &mut Acceptor, disk: &mut Disk) -> Vec<Output> {
    let position = disk.records.last().map_or(0, |r| r.0);
    step(a, disk, Input::Durable { position })
}

fn registered() -> (Acceptor, Disk) {
    let (mut a, mut disk) = (fresh(), Disk::default());
    for node in [2, 3] {
        let peer = Endpoint::new(NodeId(node), Role::Acceptor);
        step(&mut a, &mut disk, from(peer, Message::Registered { incarnation: Incarnation(11) }));
    }
    sync(&mut a, &mut disk);
    assert!(a.registered());
    (a, disk)
}

fn ballot(round: u64) -> Ballot {
    Ballot::new(round, NodeId(2))
}

fn accept(round: u64, slot: u64, batch: &'static [u8]) -> Input {
    let message = Message::Accept { ballot: ballot(round), slot: Slot(slot), batch: Bytes::from_static(batch) };
    from(LEADER, message)
}

#[test]
fn a_fresh_storage_registers_before_it_answers() {
    let (mut a, mut disk) = (fresh(), Disk::default());
    let out = step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(1), from: Slot(1) }));
    let ask = Message::Register { incarnation: Incarnation(11) };
    assert_eq!(out, vec![Output::Send { to: Target::Others(Role::Acceptor), message: ask }]);
    let peer = |n| Endpoint::new(NodeId(n), Role::Acceptor);
    step(&mut a, &mut disk, from(peer(2), Message::Registered { incarnation: Incarnation(11) }));
    step(&mut a, &mut disk, from(peer(2), Message::Registered { incarnation: Incarnation(11) }));
    assert!(disk.records.is_empty(), "one node counts once");
    step(&mut a, &mut disk, from(peer(3), Message::Registered { incarnation: Incarnation(11) }));
    assert!(!a.registered(), "not before it is durable");
    sync(&mut a, &mut disk);
    assert!(a.registered());
}

#[test]
fn a_second_storage_of_a_node_is_refused_and_stops() {
    let (mut a, mut disk) = registered();
    let peer = Endpoint::new(NodeId(3), Role::Acceptor);
    step(&mut a, &mut disk, from(peer, Message::Register { incarnation: Incarnation(31) }));
    assert_eq!(
        sync(&mut a, &mut disk),
        vec![Output::Send { to: Target::One(peer), message: Message::Registered { incarnation: Incarnation(31) } }]
    );
    // Also after a restart.
    let mut a = Acceptor::open(a.config.clone(), disk.records.clone()).unwrap_or_else(|e| panic!("{e}"));
    let out = step(&mut a, &mut disk, from(peer, Message::Register { incarnation: Incarnation(32) }));
    let message = Message::Refused { incarnation: Incarnation(32), known: Incarnation(31) };
    assert_eq!(out, vec![Output::Send { to: Target::One(peer), message: message.clone() }]);

    let config = Config::new(NodeId(3), nodes(), Incarnation(32));
    let mut other = Acceptor::open(config, []).unwrap_or_else(|e| panic!("{e}"));
    let out = step(&mut other, &mut Disk::default(), from(Endpoint::new(NodeId(1), Role::Acceptor), message));
    assert!(matches!(&out[..], [Output::Stop(reason)] if reason.contains("000000000000001f")), "{out:?}");
    let silent = step(&mut other, &mut Disk::default(), Input::Tick);
    assert_eq!(silent, vec![]);
}

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let (mut a, mut disk) = registered();
    assert_eq!(step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(1), from: Slot(1) })), vec![]);
    assert_eq!(step(&mut a, &mut disk, accept(1, 1, b"x")), vec![]);
    let out = sync(&mut a, &mut disk);
    let [Output::Send { message: Message::Promise { accepted, .. }, .. }, others, own] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(accepted, &vec![]);
    let accepted = |batches| Message::Accepted {
        ballot: ballot(1),
        incarnation: Incarnation(11),
        first: Slot(1),
        count: 1,
        batches,
    };
    assert_eq!(others, &Output::Send { to: Target::Others(Role::Learner), message: accepted(vec![]) });
    let to = Target::One(Endpoint::new(NodeId(1), Role::Learner));
    assert_eq!(own, &Output::Send { to, message: accepted(vec![Bytes::from_static(b"x")]) });
}

#[test]
fn a_position_that_was_never_given_is_not_believed() {
    let (mut a, mut disk) = registered();
    step(&mut a, &mut disk, Input::Durable { position: u64::MAX });
    step(&mut a, &mut disk, accept(1, 1, b"x"));
    assert_eq!(step(&mut a, &mut disk, Input::Tick), vec![]);
}

#[test]
fn neighbouring_slots_are_told_in_one_message() {
    let (mut a, mut disk) = registered();
    for slot in [1, 2, 3, 5] {
        step(&mut a, &mut disk, accept(1, slot, b"x"));
    }
    let runs: Vec<_> = sync(&mut a, &mut disk)
        .into_iter()
        .filter_map(|o| match o {
            Output::Send { to: Target::Others(_), message: Message::Accepted { first, count, .. } } => {
                Some((first.0, count))
            }
            _ => None,
        })
        .collect();
    assert_eq!(runs, vec![(1, 3), (5, 1)]);
}

#[test]
fn a_lower_ballot_is_refused_and_an_equal_one_answered_again() {
    let (mut a, mut disk) = registered();
    step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(5), from: Slot(1) }));
    sync(&mut a, &mut disk);
    let nack = |round| {
        let message = Message::Nack { ballot: ballot(round), promised: ballot(5) };
        vec![Output::Send { to: Target::One(LEADER), message }]
    };
    assert_eq!(step(&mut a, &mut disk, accept(4, 1, b"x")), nack(4));
    assert_eq!(step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(4), from: Slot(1) })), nack(4));
    let records = disk.records.len();
    let again = step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(5), from: Slot(1) }));
    assert!(matches!(&again[..], [Output::Send { message: Message::Promise { .. }, .. }]), "{again:?}");
    assert_eq!(disk.records.len(), records, "a repeated promise is not written again");
}

#[test]
fn promises_and_values_survive_a_restart() {
    let (mut a, mut disk) = registered();
    step(&mut a, &mut disk, accept(1, 1, b"x"));
    step(&mut a, &mut disk, accept(1, 3, b"z"));
    step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(7), from: Slot(1) }));
    step(&mut a, &mut disk, accept(7, 1, b"y"));
    let b = Acceptor::open(a.config.clone(), disk.records.clone()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(b.promised(), ballot(7));
    assert_eq!(b.accepted(Slot(1)), Some((ballot(7), &Bytes::from_static(b"y"))));
    assert_eq!(b.accepted(Slot(2)), None);
    assert_eq!(b.accepted(Slot(3)), Some((ballot(1), &Bytes::from_static(b"z"))));
    assert!(b.registered());
}

#[test]
fn a_promise_comes_in_pieces() {
    let (mut a, mut disk) = registered();
    a.config.chunk = 3;
    for slot in 1..=3 {
        step(&mut a, &mut disk, accept(1, slot, b"xy"));
    }
    sync(&mut a, &mut disk);
    let mut from_slot = Slot(2);
    let mut seen = Vec::new();
    loop {
        let mut out = step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(2), from: from_slot }));
        out.extend(sync(&mut a, &mut disk));
        let [Output::Send { message: Message::Promise { accepted, more, .. }, .. }] = &out[..] else {
            panic!("{out:?}")
        };
        seen.extend(accepted.iter().map(|v| v.slot.0));
        let Some(last) = accepted.last().filter(|_| *more) else { break };
        from_slot = last.slot.next();
    }
    assert_eq!(seen, vec![2, 3]);
}

#[test]
fn trimming_forgets_and_lets_old_records_go_once_that_is_durable() {
    let (mut a, mut disk) = registered();
    let own = Endpoint::new(NodeId(1), Role::Learner);
    for slot in 1..=4 {
        step(&mut a, &mut disk, accept(1, slot, b"x"));
    }
    sync(&mut a, &mut disk);
    let stranger = Endpoint::new(NodeId(3), Role::Learner);
    step(&mut a, &mut disk, from(stranger, Message::Trim { upto: Slot(4) }));
    assert_eq!(a.first(), Slot(1), "only the own learner may say so");
    assert_eq!(step(&mut a, &mut disk, from(own, Message::Trim { upto: Slot(2) })), vec![]);
    let position_of_3 = 4;
    assert_eq!(sync(&mut a, &mut disk), vec![Output::Truncate { before: position_of_3 }]);
    // A restart from what is left knows all the same.
    let left = disk.records.iter().filter(|(p, _)| *p >= position_of_3).cloned().collect::<Vec<_>>();
    let mut b = Acceptor::open(a.config.clone(), left).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((b.first(), b.end(), b.promised(), b.registered()), (Slot(3), Slot(5), ballot(1), true));
    let out = step(&mut b, &mut disk, from(own, Message::Learn { from: Slot(1), to: Slot(9), values: false }));
    assert_eq!(out[0], Output::Send { to: Target::One(own), message: Message::Trimmed { first: Slot(3) } });
    assert!(matches!(&out[1], Output::Send { message: Message::Accepted { first: Slot(3), count: 2, .. }, .. }));
    step(&mut b, &mut disk, accept(1, 2, b"late"));
    assert_eq!(b.accepted(Slot(2)), None, "what is trimmed does not come back");
}

/// Storages let go whole segments: the first record that is left may be of a slot far ahead, and its checkpoint comes later.
#[test]
fn old_values_in_front_of_their_checkpoint_need_no_room() {
    let record = |position: u64, record: Record| (position, Bytes::from(record.encode()));
    let value = |slot| Record::Accept { ballot: ballot(4), slot: Slot(slot), batch: Bytes::from_static(b"x") };
    let checkpoint =
        Record::Checkpoint { promised: ballot(4), first: Slot(3_000_001), registered: true, known: Vec::new() };
    let mut records = vec![
        record(7, value(3_000_000)),
        record(8, value(3_000_001)),
        record(9, checkpoint),
        record(10, value(3_000_003)),
        record(11, value(2_999_999)),
    ];
    let config = Config::new(NodeId(1), nodes(), Incarnation(11));
    let a = Acceptor::open(config.clone(), records.clone()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((a.first(), a.end(), a.promised()), (Slot(3_000_001), Slot(3_000_004), ballot(4)));
    let values = [2_999_999, 3_000_000, 3_000_001, 3_000_002, 3_000_003].map(|s| a.accepted(Slot(s)).is_some());
    assert_eq!(values, [false, false, true, false, true]);
    // What no checkpoint made superfluous has to fit.
    records.push(record(12, value(3_000_001 + (1 << 20))));
    let Err(error) = Acceptor::open(config, records) else { panic!("there is no room for it") };
    assert_eq!(error.position, 12);
}

#[test]
fn a_learner_is_told_durable_values_only() {
    let (mut a, mut disk) = registered();
    let learner = Endpoint::new(NodeId(2), Role::Learner);
    step(&mut a, &mut disk, accept(1, 1, b"x"));
    sync(&mut a, &mut disk);
    step(&mut a, &mut disk, accept(1, 2, b"y"));
    let out = step(&mut a, &mut disk, from(learner, Message::Learn { from: Slot(1), to: Slot(5), values: true }));
    let message = Message::Accepted {
        ballot: ballot(1),
        incarnation: Incarnation(11),
        first: Slot(1),
        count: 1,
        batches: vec![Bytes::from_static(b"x")],
    };
    assert_eq!(out, vec![Output::Send { to: Target::One(learner), message }]);
}

#[test]
fn a_round_that_could_never_be_surpassed_is_not_promised() {
    let (mut a, mut disk) = registered();
    step(&mut a, &mut disk, from(LEADER, Message::Prepare { ballot: ballot(u64::MAX), from: Slot(1) }));
    step(&mut a, &mut disk, accept(u64::MAX, 1, b"x"));
    assert_eq!(a.promised(), Ballot::ZERO);
}

#[test]
fn a_full_log_says_so_and_has_room_for_what_it_replaces() {
    let (mut a, mut disk) = registered();
    a.config.log_bytes = 10;
    step(&mut a, &mut disk, accept(1, 1, b"123456"));
    assert!(!a.full());
    step(&mut a, &mut disk, accept(1, 2, b"12345"));
    assert_eq!((a.full(), a.end()), (true, Slot(2)));
    step(&mut a, &mut disk, accept(2, 1, b"1234567890"));
    assert_eq!((a.full(), a.accepted(Slot(1)).map(|v| v.0)), (false, Some(ballot(2))));
    step(&mut a, &mut disk, accept(2, 2, b"1"));
    assert!(a.full());
    step(&mut a, &mut disk, from(Endpoint::new(NodeId(1), Role::Learner), Message::Trim { upto: Slot(1) }));
    assert!(!a.full());
    step(&mut a, &mut disk, accept(2, 2, b"1"));
    assert_eq!(a.accepted(Slot(2)).map(|v| v.0), Some(ballot(2)));
}

#[test]
fn a_slot_far_ahead_costs_nothing() {
    let (mut a, mut disk) = registered();
    assert_eq!(step(&mut a, &mut disk, accept(1, u64::MAX, b"x")), vec![]);
    assert_eq!(a.end(), Slot(1));
}

#[test]
fn a_ballot_of_somebody_else_is_not_believed() {
    let (mut a, mut disk) = registered();
    let stranger = Endpoint::new(NodeId(3), Role::Proposer);
    step(&mut a, &mut disk, from(stranger, Message::Prepare { ballot: ballot(9), from: Slot(1) }));
    assert_eq!(a.promised(), Ballot::ZERO);
}
