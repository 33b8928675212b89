//! One input at a time, and what comes out.

use super::*;
use paxos_types::{AcceptedValue, BatchId, ClientId, Command, Incarnation, Op, Outcome, Reply, SlotReplies, batch};

fn nodes() -> Vec<NodeId> {
    vec![NodeId(1), NodeId(2), NodeId(3)]
}

fn at(node: u16, role: Role) -> Endpoint {
    Endpoint::new(NodeId(node), role)
}

fn from(endpoint: Endpoint, message: Message) -> Input {
    Input::Message { from: endpoint, message }
}

struct Driven {
    proposer: Proposer,
    records: Vec<(u64, Bytes)>,
    now: u64,
}

impl Driven {
    fn new() -> Driven {
        Driven::open(Config { window: 2, ..Config::new(NodeId(1), nodes()) }, Vec::new())
    }

    fn open(config: Config, records: Vec<(u64, Bytes)>) -> Driven {
        let proposer = Proposer::open(config, records.clone()).unwrap_or_else(|e| panic!("{e}"));
        Driven { proposer, records, now: 0 }
    }

    /// Everything that comes out but heartbeats, with records written (not yet durable).
    fn step(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.proposer.step(Instant(self.now), input, &mut out);
        out.retain(|output| match output {
            Output::Append(bytes) => {
                self.records.push((self.records.len() as u64 + 1, bytes.clone()));
                false
            }
            Output::Send { message: Message::Heartbeat { .. }, .. } | Output::Own { .. } => false,
            _ => true,
        });
        out
    }

    fn sync(&mut self) -> Vec<Output> {
        let position = self.records.len() as u64;
        self.step(Input::Durable { position })
    }

    fn executed(&mut self, upto: u64) -> Vec<Output> {
        self.step(from(at(1, Role::Learner), Message::Executed { upto: Slot(upto), replies: vec![] }))
    }

    fn be_leader(&mut self, leader: Option<u16>) -> Vec<Output> {
        self.step(Input::Leader { leader: leader.map(NodeId), follows: None, majority: true })
    }

    fn nack(&mut self, node: u16, ballot: Ballot, promised: Ballot) -> Vec<Output> {
        self.step(from(at(node, Role::Acceptor), Message::Nack { ballot, promised }))
    }

    fn promise(
        &mut self,
        node: u16,
        round: u64,
        slot: u64,
        first: u64,
        accepted: &[(u64, u64, &'static [u8])],
    ) -> Vec<Output> {
        let accepted = accepted.iter().map(|(slot, round, batch)| AcceptedValue {
            slot: Slot(*slot),
            ballot: Ballot::new(*round, NodeId(3)),
            batch: Bytes::from_static(batch),
        });
        let message = Message::Promise {
            ballot: ballot(round),
            incarnation: Incarnation(u64::from(node)),
            from: Slot(slot),
            first: Slot(first),
            accepted: accepted.collect(),
            more: false,
        };
        self.step(from(at(node, Role::Acceptor), message))
    }

    fn submit(&mut self, connection: u64, client: u128, seq: u64) -> Vec<Output> {
        self.step(Input::Submit { connection, commands: Bytes::from(command(client, seq)) })
    }

    /// Leads in round 1 from slot 1, with nothing to propose again.
    fn leading() -> Driven {
        let mut p = Driven::new();
        p.executed(0);
        p.be_leader(Some(1));
        p.nack(2, ballot(0), Ballot::ZERO);
        p.nack(3, ballot(0), Ballot::ZERO);
        p.sync();
        p.promise(1, 1, 1, 1, &[]);
        p.promise(2, 1, 1, 1, &[]);
        assert_eq!(p.proposer.leading(), Some(ballot(1)));
        p
    }
}

fn ballot(round: u64) -> Ballot {
    Ballot::new(round, NodeId(1))
}

fn command(client: u128, seq: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let op = if seq == 1 { Op::Open } else { Op::Get { key: b"k" } };
    Command { client: ClientId(client), seq, op }.encode(&mut bytes);
    bytes
}

fn to_acceptors(message: Message) -> Output {
    Output::Send { to: Target::All(Role::Acceptor), message }
}

fn accepts(out: &[Output]) -> Vec<(u64, u64, Bytes)> {
    out.iter()
        .filter_map(|o| match o {
            Output::Send { message: Message::Accept { ballot, slot, batch }, .. } => {
                Some((ballot.round, slot.0, batch.clone()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn an_empty_disk_asks_a_majority_which_rounds_there_were() {
    let mut p = Driven::new();
    assert_eq!(p.be_leader(Some(1)), vec![], "the own learner has not said where to begin");
    let ask = to_acceptors(Message::Prepare { ballot: ballot(0), from: Slot(1) });
    assert_eq!(p.executed(4), vec![ask.clone()]);
    assert_eq!(p.nack(2, ballot(0), Ballot::new(7, NodeId(2))), vec![]);
    assert_eq!(p.nack(2, ballot(0), Ballot::new(7, NodeId(2))), vec![], "one node counts once");
    p.now += p.proposer.config.retransmit;
    assert_eq!(p.step(Input::Tick), vec![ask]);
    assert_eq!(p.nack(3, ballot(0), Ballot::new(5, NodeId(3))), vec![], "not before the round is durable");
    assert_eq!(p.sync(), vec![to_acceptors(Message::Prepare { ballot: ballot(8), from: Slot(5) })]);
}

#[test]
fn a_round_is_never_used_again() {
    let mut p = Driven::leading();
    p.be_leader(Some(2));
    p.be_leader(Some(1));
    assert_eq!(p.records.len(), 2);
    // Restarted before round 2 was heard of by anybody: all the same.
    let mut p = Driven::open(p.proposer.config.clone(), p.records);
    p.executed(0);
    assert_eq!(p.be_leader(Some(1)), vec![], "its disk tells, so nobody is asked");
    let out = p.sync();
    assert_eq!(out[1], to_acceptors(Message::Prepare { ballot: ballot(3), from: Slot(1) }));
    assert_eq!(out[0], Output::Truncate { before: 3 });
}

#[test]
fn what_may_be_chosen_is_proposed_again_and_gaps_are_filled() {
    let mut p = Driven::new();
    p.proposer.config.window = 10;
    p.executed(2);
    p.be_leader(Some(1));
    p.nack(2, ballot(0), Ballot::new(4, NodeId(3)));
    p.nack(3, ballot(0), Ballot::ZERO);
    p.sync();
    p.submit(9, 1, 1);
    p.step(Input::Flush);
    assert_eq!(p.promise(2, 5, 3, 1, &[(3, 2, b"old"), (6, 2, b"six")]), vec![]);
    assert_eq!(p.promise(2, 5, 3, 1, &[]), vec![], "a repetition is not another promise");
    assert_eq!(p.promise(3, 4, 3, 1, &[]), vec![], "nor is one to another ballot");
    let out = p.promise(3, 5, 3, 4, &[(4, 1, b"four"), (6, 3, b"newer")]);
    let sent = accepts(&out);
    let slots: Vec<_> = sent.iter().map(|(round, slot, _)| (*round, *slot)).collect();
    assert_eq!(slots, vec![(5, 4), (5, 5), (5, 6), (5, 7)], "slot 3 is trimmed at node 3, so it is chosen");
    assert_eq!(&sent[0].2[..], b"four");
    assert_eq!(&sent[1].2[..], b"", "a no-op");
    assert_eq!(&sent[2].2[..], b"newer");
    let Ok(Some((header, commands))) = batch::split(&sent[3].2) else { panic!() };
    assert_eq!((header.id, header.count), (BatchId { origin: NodeId(1), round: 5, number: 0 }, 1));
    assert_eq!(commands, command(1, 1));
}

#[test]
fn a_promise_in_pieces_is_fetched_to_its_end() {
    let mut p = Driven::new();
    p.executed(0);
    p.be_leader(Some(1));
    p.nack(2, ballot(0), Ballot::ZERO);
    p.nack(3, ballot(0), Ballot::ZERO);
    p.sync();
    p.promise(1, 1, 1, 1, &[]);
    let piece = |from: u64, slot: u64, more| Message::Promise {
        ballot: ballot(1),
        incarnation: Incarnation(2),
        from: Slot(from),
        first: Slot(1),
        accepted: vec![AcceptedValue { slot: Slot(slot), ballot: Ballot::ZERO, batch: Bytes::from_static(b"x") }],
        more,
    };
    let acceptor = at(2, Role::Acceptor);
    let fetch = Message::Prepare { ballot: ballot(1), from: Slot(4) };
    let fetch = Output::Send { to: Target::One(acceptor), message: fetch };
    assert_eq!(p.step(from(acceptor, piece(1, 3, true))), vec![fetch.clone()]);
    assert_eq!(p.step(from(acceptor, piece(1, 3, true))), vec![], "a repetition");
    p.now += p.proposer.config.retransmit;
    let again = p.step(Input::Tick);
    assert_eq!(again.len(), 2, "the rest of that one, and the one that has said nothing: {again:?}");
    assert!(again.contains(&fetch));
    let out = p.step(from(acceptor, piece(4, 9, false)));
    assert_eq!(accepts(&out).iter().map(|a| a.1).collect::<Vec<_>>(), vec![1, 2], "as many as the window has");
}

#[test]
fn commands_are_joined_and_answers_cut_again() {
    let mut p = Driven::leading();
    assert_eq!(p.submit(1, 10, 1), vec![]);
    assert_eq!(p.submit(2, 20, 1), vec![]);
    let mut two = command(11, 1);
    two.extend(command(12, 1));
    p.step(Input::Submit { connection: 1, commands: Bytes::from(two) });
    let out = p.step(Input::Flush);
    let sent = accepts(&out);
    assert_eq!(sent.len(), 1);
    let Ok(Some((header, _))) = batch::split(&sent[0].2) else { panic!() };
    assert_eq!(header.count, 4);
    let reply = |client| {
        let mut bytes = Vec::new();
        Reply { client: ClientId(client), seq: 1, index: 1, version: 0, outcome: Outcome::Done }.encode(&mut bytes);
        bytes
    };
    let replies: Vec<u8> = [10, 20, 11, 12].into_iter().flat_map(reply).collect();
    let executed_upto = |batch, upto| {
        let replies = vec![SlotReplies { batch, first: 0, replies: Bytes::from(replies.clone()) }];
        from(at(1, Role::Learner), Message::Executed { upto: Slot(upto), replies })
    };
    let executed = |batch| executed_upto(batch, 1);
    let other = BatchId { round: 9, ..header.id };
    assert_eq!(p.step(executed_upto(other, 0)), vec![], "a batch that is not owed");
    let frame = |clients: &[u128]| {
        let mut frame = vec![2];
        frame.extend(clients.iter().flat_map(|c| reply(*c)));
        Bytes::from(frame)
    };
    let expected = vec![
        Output::Reply { connection: 1, frame: frame(&[10, 11, 12]) },
        Output::Reply { connection: 2, frame: frame(&[20]) },
    ];
    assert_eq!(p.step(executed(header.id)), expected);
    assert_eq!(p.step(executed(header.id)), vec![], "once");
}

#[test]
fn answers_come_in_parts_and_whose_answer_is_lost_is_told_to_ask_again() {
    let mut p = Driven::leading();
    p.submit(1, 10, 1);
    p.submit(2, 20, 1);
    p.submit(3, 30, 1);
    let out = p.step(Input::Flush);
    let Ok(Some((header, _))) = batch::split(&accepts(&out)[0].2) else { panic!() };
    let reply = |client| {
        let mut bytes = Vec::new();
        Reply { client: ClientId(client), seq: 1, index: 1, version: 0, outcome: Outcome::Done }.encode(&mut bytes);
        bytes
    };
    let part = |upto, first, clients: &[u128]| {
        let replies = clients.iter().flat_map(|c| reply(*c)).collect::<Vec<u8>>().into();
        let replies = vec![SlotReplies { batch: header.id, first, replies }];
        from(at(1, Role::Learner), Message::Executed { upto: Slot(upto), replies })
    };
    let answer = |connection, client| {
        let mut frame = vec![2];
        frame.extend(reply(client));
        Output::Reply { connection, frame: Bytes::from(frame) }
    };
    assert_eq!(p.step(part(0, 1, &[20])), vec![], "behind a gap nothing is taken");
    assert_eq!(p.step(part(0, 0, &[10])), vec![answer(1, 10)]);
    assert_eq!(p.step(part(0, 0, &[10, 20])), vec![answer(2, 20)], "what is answered is passed over");
    let mut redirect = Vec::new();
    ClientFrame::Redirect { leader: Some(NodeId(1)) }.encode(&mut redirect);
    let told = Output::Reply { connection: 3, frame: Bytes::from(redirect) };
    assert!(p.step(part(1, 9, &[])).contains(&told), "the third answer is lost");
    assert_eq!(p.step(part(1, 2, &[30])), vec![], "it is owed no longer");
}

#[test]
fn the_window_holds_back_and_then_takes_all_that_waits() {
    let mut p = Driven::leading();
    for client in 1..=5 {
        p.submit(1, client, 1);
        p.step(Input::Flush);
    }
    assert_eq!((p.proposer.open_slots(), p.proposer.queued()), (2, 3));
    let out = p.executed(1);
    let sent = accepts(&out);
    assert_eq!((sent.len(), p.proposer.queued()), (1, 0));
    assert!(matches!(batch::split(&sent[0].2), Ok(Some((header, _))) if header.count == 3));
}

#[test]
fn batches_and_requests_are_bounded_by_their_longest_answers() {
    let mut p = Driven::leading();
    // Eight answers of 8 MiB are more than a batch may have, seven are not.
    p.proposer.config.max_value = 8 << 20;
    let mut out = Vec::new();
    for client in 1..=8 {
        let commands = Bytes::from(command(client, 1));
        out.extend(p.step(Input::Submit { connection: 1, commands }));
    }
    out.extend(p.step(Input::Flush));
    let sent = accepts(&out);
    let counts: Vec<u32> = sent
        .iter()
        .filter_map(|(_, _, bytes)| batch::split(bytes).ok().flatten())
        .map(|(head, _)| head.count)
        .collect();
    assert_eq!(counts, [7, 1]);
    let many: Vec<u8> = (0..128).flat_map(|client| command(client, 1)).collect();
    let out = p.step(Input::Submit { connection: 1, commands: Bytes::from(many) });
    let refused = |o: &Output| match o {
        Output::Reply { frame, .. } => {
            matches!(ClientFrame::decode(frame), Ok(ClientFrame::Refused(why)) if why.contains("it has 128 commands"))
        }
        _ => false,
    };
    assert!(out.iter().any(refused), "{out:?}");
}

#[test]
fn a_delay_waits_for_company_but_not_when_nothing_is_open() {
    let mut p = Driven::leading();
    p.proposer.config.max_delay = 100;
    p.submit(1, 1, 1);
    assert_eq!(accepts(&p.step(Input::Flush)).len(), 1, "nothing is open");
    p.submit(1, 2, 1);
    assert_eq!(accepts(&p.step(Input::Flush)).len(), 0);
    assert_eq!(p.proposer.deadline(), Some(Instant(100)));
    p.now = 100;
    assert_eq!(accepts(&p.step(Input::Tick)).len(), 1);
}

#[test]
fn above_a_bound_clients_are_left_waiting() {
    let mut p = Driven::new();
    p.be_leader(Some(1));
    p.proposer.config.pending_bytes = 100;
    p.submit(1, 1, 1);
    assert!(p.proposer.accepting());
    p.submit(1, 2, 1);
    p.submit(1, 3, 1);
    assert!(!p.proposer.accepting());
}

#[test]
fn who_does_not_lead_says_who_does() {
    let mut p = Driven::new();
    let redirect = |leader: Option<u16>| {
        let mut frame = Vec::new();
        ClientFrame::Redirect { leader: leader.map(NodeId) }.encode(&mut frame);
        vec![Output::Reply { connection: 5, frame: Bytes::from(frame) }]
    };
    assert_eq!(p.submit(5, 1, 1), redirect(None));
    p.be_leader(Some(3));
    assert_eq!(p.submit(5, 1, 1), redirect(Some(3)));
    let mut p = Driven::leading();
    p.submit(5, 1, 1);
    p.step(Input::Flush);
    p.submit(5, 2, 1);
    assert_eq!(p.be_leader(Some(2)), redirect(Some(2)), "once per connection, for what is open and what waits");
    assert_eq!(p.proposer.leading(), None);
}

#[test]
fn a_request_above_a_limit_is_refused_by_name() {
    let mut p = Driven::leading();
    p.proposer.config.max_key = 0;
    p.submit(4, 1, 1);
    let out = p.submit(4, 1, 2);
    let [Output::Reply { connection: 4, frame }] = &out[..] else { panic!("{out:?}") };
    let Ok(ClientFrame::Refused(reason)) = ClientFrame::decode(frame) else { panic!() };
    assert!(reason.contains("a key has 1 bytes, and the limit is 0"), "{reason}");
}

#[test]
fn a_higher_promise_ends_the_leadership_and_the_next_round_is_above_it() {
    let mut p = Driven::leading();
    assert_eq!(p.nack(2, ballot(1), Ballot::new(6, NodeId(2))), vec![]);
    assert_eq!(p.proposer.leading(), None);
    p.now += p.proposer.config.phase;
    p.step(Input::Tick);
    let out = p.sync();
    assert_eq!(out[1], to_acceptors(Message::Prepare { ballot: ballot(7), from: Slot(1) }));
}

#[test]
fn what_is_not_answered_is_sent_again() {
    let mut p = Driven::leading();
    p.submit(1, 1, 1);
    let first = accepts(&p.step(Input::Flush));
    assert_eq!(p.step(Input::Tick), vec![]);
    p.now += p.proposer.config.retransmit;
    assert_eq!(accepts(&p.step(Input::Tick)), first);
    assert_eq!(p.step(Input::Tick), vec![]);
    p.executed(1);
    p.now += p.proposer.config.retransmit;
    assert_eq!(p.step(Input::Tick), vec![]);
}

#[test]
fn what_the_own_learner_has_lost_is_proposed_again_if_nobody_tells_it() {
    let mut p = Driven::leading();
    p.executed(5);
    p.executed(2);
    p.executed(5);
    p.now += p.proposer.config.phase;
    p.step(Input::Tick);
    assert_eq!(p.proposer.leading(), Some(ballot(1)), "it was told");
    p.executed(3);
    p.now += p.proposer.config.phase;
    p.step(Input::Tick);
    assert_eq!(p.proposer.deadline(), Some(Instant(p.now)));
    p.step(Input::Tick);
    let out = p.sync();
    assert!(out.contains(&to_acceptors(Message::Prepare { ballot: ballot(2), from: Slot(4) })), "{out:?}");
}

/// What is below the floor is chosen, but the only node that knows it may die before the own learner was told.
#[test]
fn what_only_a_dead_node_knew_is_looked_for_at_the_others() {
    let mut p = Driven::new();
    p.executed(50);
    p.be_leader(Some(1));
    p.nack(2, ballot(0), Ballot::ZERO);
    p.nack(3, ballot(0), Ballot::ZERO);
    p.sync();
    p.promise(1, 1, 51, 51, &[]);
    p.promise(2, 1, 51, 101, &[]);
    assert_eq!(p.proposer.leading(), Some(ballot(1)), "node 2 has trimmed 51 to 100, and then it dies");
    p.now += p.proposer.config.phase - 1;
    p.executed(60);
    p.now += 1;
    p.step(Input::Tick);
    assert_eq!(p.proposer.leading(), Some(ballot(1)), "the learner comes further");
    p.now += p.proposer.config.phase - 1;
    assert!(p.proposer.deadline().is_some_and(|d| d.0 <= p.now));
    p.step(Input::Tick);
    p.step(Input::Tick);
    let out = p.sync();
    assert!(out.contains(&to_acceptors(Message::Prepare { ballot: ballot(2), from: Slot(61) })), "{out:?}");
    p.promise(1, 2, 61, 51, &[]);
    let out = p.promise(3, 2, 61, 1, &[(61, 1, b"chosen")]);
    assert_eq!(accepts(&out), vec![(2, 61, Bytes::from_static(b"chosen"))]);
    // With all of it told, nothing is looked for.
    p.executed(61);
    p.now += 10 * p.proposer.config.phase;
    p.step(Input::Tick);
    assert_eq!(p.proposer.leading(), Some(ballot(2)));
}

#[test]
fn it_is_fit_while_it_hears_its_acceptor_its_learner_and_a_majority() {
    let mut p = Driven::new();
    let own = |p: &mut Driven, input| {
        let mut out = Vec::new();
        p.proposer.step(Instant(p.now), input, &mut out);
        out.into_iter().rev().find_map(|o| match o {
            Output::Own { fit, .. } => Some(fit),
            _ => None,
        })
    };
    let beat = |fit| Message::Heartbeat { leading: None, follows: None, fit, applied: Slot(0), life: 0 };
    assert_eq!(own(&mut p, from(at(1, Role::Learner), beat(true))), Some(false));
    assert_eq!(own(&mut p, from(at(1, Role::Acceptor), beat(false))), None);
    assert_eq!(own(&mut p, from(at(2, Role::Acceptor), beat(true))), None);
    assert_eq!(own(&mut p, from(at(1, Role::Acceptor), beat(true))), None);
    let hears = |majority| Input::Leader { leader: None, follows: None, majority };
    assert_eq!(own(&mut p, hears(true)), Some(true));
    assert_eq!(own(&mut p, hears(false)), Some(false));
    assert_eq!(own(&mut p, hears(true)), Some(true));
    p.now += p.proposer.config.silent / 2;
    own(&mut p, from(at(1, Role::Acceptor), beat(true)));
    p.now += p.proposer.config.silent / 2;
    assert!(p.proposer.deadline().is_some_and(|d| d.0 <= p.now));
    assert_eq!(own(&mut p, Input::Tick), Some(false), "its learner is silent");
    assert_eq!(
        own(&mut p, from(at(1, Role::Learner), beat(true))),
        Some(true),
        "other nodes' silence is not measured here"
    );
}

/// Patience that the own failure detector has learned must not keep others, who hear a dead leader no more than this node does.
#[test]
fn it_vouches_for_a_leader_that_was_heard_of_late_only() {
    let mut p = Driven::new();
    p.proposer.config.life = 44;
    let beats = |p: &mut Driven, input| {
        let mut out = Vec::new();
        p.proposer.step(Instant(p.now), input, &mut out);
        let beats = out.into_iter().filter_map(|o| match o {
            Output::Send { message: Message::Heartbeat { follows, life, .. }, .. } => Some((follows, life)),
            _ => None,
        });
        beats.last()
    };
    let theirs = Ballot::new(3, NodeId(2));
    let beat = Message::Heartbeat { leading: Some(theirs), follows: None, fit: true, applied: Slot(0), life: 5 };
    beats(&mut p, from(at(2, Role::Proposer), beat));
    beats(&mut p, Input::Leader { leader: Some(NodeId(2)), follows: Some(theirs), majority: true });
    p.now += p.proposer.config.suspect - 1;
    assert_eq!(beats(&mut p, Input::Tick), Some((Some(theirs), 44)));
    p.now += p.proposer.config.heartbeat;
    assert_eq!(beats(&mut p, Input::Tick), Some((None, 44)), "though its own detectors still follow");
}

/// A node that was away and is catching up is not the one to lead, unless those who are further cannot.
#[test]
fn a_node_that_is_far_behind_one_that_could_lead_is_not_fit() {
    let mut p = Driven::new();
    let own = |p: &mut Driven, input| {
        let mut out = Vec::new();
        p.proposer.step(Instant(p.now), input, &mut out);
        p.proposer.told.map(|told| told.1)
    };
    let beat = |fit, applied| Message::Heartbeat { leading: None, follows: None, fit, applied: Slot(applied), life: 0 };
    let [acceptor, learner] = [Role::Acceptor, Role::Learner].map(|role| at(1, role));
    let other = |fit, applied| from(at(2, Role::Proposer), beat(fit, applied));
    own(&mut p, from(acceptor, beat(true, 0)));
    own(&mut p, from(learner, beat(true, 10)));
    own(&mut p, Input::Leader { leader: None, follows: None, majority: true });
    // The window has 2 slots: 4 windows are 8 slots, 2 windows 4.
    assert_eq!(own(&mut p, other(true, 18)), Some(true));
    assert_eq!(own(&mut p, other(true, 19)), Some(false));
    assert_eq!(own(&mut p, other(false, 19)), Some(true), "it could not lead either");
    assert_eq!(own(&mut p, other(true, 19)), Some(false));
    assert_eq!(own(&mut p, from(learner, beat(true, 14))), Some(false), "not close enough to be fit again");
    assert_eq!(own(&mut p, from(learner, beat(true, 15))), Some(true));
    assert_eq!(own(&mut p, other(true, 24)), Some(false));
    p.now += p.proposer.config.suspect;
    own(&mut p, from(acceptor, beat(true, 0)));
    assert_eq!(own(&mut p, from(learner, beat(true, 15))), Some(true), "the other one is dead");
    assert_eq!(own(&mut p, from(at(9, Role::Proposer), beat(true, 99))), Some(true), "a stranger");
}
