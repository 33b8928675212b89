//! What the three loops do with what the cores say, and in which order.

mod common;

use common::{Fake, no_acceptor_outputs, no_proposer_outputs, sending, settings};
use paxos_agents::acceptor::AcceptorAgent;
use paxos_agents::learner::LearnerAgent;
use paxos_agents::ports::{client_server, endpoint, leader_detector, learner, proposer};
use paxos_agents::proposer::ProposerAgent;
use paxos_bindings::wit::agent_types::Letter;
use paxos_bindings::wit::core_types::Execution;
use paxos_bindings::wit::messages::{Accept, Heartbeat, Message, Target, Trimmed};
use paxos_bindings::wit::types::{Ballot, FaultKind, Role};

const BALLOT: Ballot = Ballot { round: 1, node: 1 };

fn accept(slot: u64, bytes: usize) -> Message {
    Message::Accept(Accept { ballot: BALLOT, slot, batch: vec![1; bytes] })
}

fn trimmed(first: u64) -> Message {
    Message::Trimmed(Trimmed { first })
}

#[test]
fn an_acceptor_recovers_by_parts_then_listens() {
    let fake = Fake::default();
    fake.0.borrow_mut().records = vec![vec![1]; 5];
    AcceptorAgent::start(fake.clone(), &settings(&[Role::Acceptor])).expect("it starts");
    let expected = [
        "open data",
        "configure 7",
        "recover 1 2",
        "recover 3 2",
        "recover 5 1",
        "form compact",
        "listen a1 incarnation 7",
    ];
    assert_eq!(fake.calls(), expected);
    // Everybody but itself and the proposers' clients.
    assert_eq!(fake.0.borrow().peers.len(), 3 + 3 + 2);
}

#[test]
fn records_are_appended_and_flushed_before_anything_is_sent_and_answers_follow_the_sync() {
    let fake = Fake::default();
    let mut agent = AcceptorAgent::start(fake.clone(), &settings(&[Role::Acceptor])).expect("it starts");
    fake.calls();
    let mut first = no_acceptor_outputs();
    first.append = vec![vec![1], vec![2]];
    first.truncate = 1;
    let mut answer = no_acceptor_outputs();
    answer.send = vec![sending(Target::All(Role::Learner), trimmed(1))];
    {
        let mut outside = fake.0.borrow_mut();
        outside.sync_at_once = true;
        outside.acceptor.extend([first.clone(), answer.clone()]);
    }
    agent.turn(1, Vec::new()).expect("a turn");
    let expected = [
        "step durable 0",
        "append 2",
        "crash-point acceptor-before-flush",
        "flush",
        "truncate 1",
        "step durable 2",
        "send 1",
    ];
    assert_eq!(fake.calls(), expected);

    // A storage that syncs elsewhere: the answer comes in the turn after the one in which it says so.
    fake.0.borrow_mut().sync_at_once = false;
    fake.0.borrow_mut().acceptor.extend([first, no_acceptor_outputs(), answer]);
    agent.turn(2, Vec::new()).expect("a turn");
    assert_eq!(fake.calls().last().map(String::as_str), Some("truncate 1"));
    agent.turn(3, Vec::new()).expect("a turn");
    assert_eq!(fake.calls(), ["step durable 2"]);
    fake.0.borrow_mut().durable = 4;
    agent.turn(4, Vec::new()).expect("a turn");
    assert_eq!(fake.calls(), ["step durable 4", "send 1"]);
}

#[test]
fn messages_with_one_target_share_frames_up_to_a_size_and_keep_their_order() {
    let fake = Fake::default();
    let mut agent = AcceptorAgent::start(fake.clone(), &settings(&[Role::Acceptor])).expect("it starts");
    let all = Target::All(Role::Learner);
    let one = Target::One(endpoint(2, Role::Proposer));
    let mut outputs = no_acceptor_outputs();
    outputs.send = vec![
        sending(all, accept(1, 100_000)),
        sending(one, trimmed(1)),
        sending(all, accept(2, 100_000)),
        sending(all, accept(3, 100_000)),
        sending(one, trimmed(2)),
        sending(all, accept(4, 10)),
    ];
    fake.0.borrow_mut().acceptor.push_back(outputs);
    agent.turn(1, Vec::new()).expect("a turn");
    let sent = std::mem::take(&mut fake.0.borrow_mut().sent);
    let learners: Vec<_> = (1..=3).map(|node| endpoint(node, Role::Learner)).collect();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0], (learners.clone(), vec![accept(1, 100_000), accept(2, 100_000)]));
    assert_eq!(sent[1], (vec![endpoint(2, Role::Proposer)], vec![trimmed(1), trimmed(2)]));
    assert_eq!(sent[2], (learners, vec![accept(3, 100_000), accept(4, 10)]));
}

#[test]
fn roles_of_one_process_get_letters_and_no_frames() {
    let fake = Fake::default();
    let roles = [Role::Proposer, Role::Acceptor, Role::Learner];
    let mut agent = AcceptorAgent::start(fake.clone(), &settings(&roles)).expect("it starts");
    assert!(!fake.0.borrow().peers.iter().any(|peer| peer.node == 1));
    let mut outputs = no_acceptor_outputs();
    outputs.send = vec![sending(Target::All(Role::Learner), trimmed(3))];
    fake.0.borrow_mut().acceptor.push_back(outputs);
    let letter =
        Letter { sender: endpoint(1, Role::Proposer), to: endpoint(1, Role::Acceptor), messages: vec![accept(1, 1)] };
    let turned = agent.turn(1, vec![letter]).expect("a turn");
    let inputs = fake.0.borrow().acceptor_inputs[0].clone();
    assert_eq!(inputs.mail[0].sender, endpoint(1, Role::Proposer));
    assert_eq!(turned.local.len(), 1);
    assert_eq!(turned.local[0].to, endpoint(1, Role::Learner));
    assert_eq!(turned.local[0].sender, endpoint(1, Role::Acceptor));
    let sent = fake.0.borrow().sent.clone();
    assert_eq!(sent, [(vec![endpoint(2, Role::Learner), endpoint(3, Role::Learner)], vec![trimmed(3)])]);
}

#[test]
fn garbage_is_dropped_with_a_word_and_the_rest_is_taken() {
    let fake = Fake::default();
    let mut agent = AcceptorAgent::start(fake.clone(), &settings(&[Role::Acceptor])).expect("it starts");
    fake.0.borrow_mut().inbox =
        vec![(endpoint(2, Role::Proposer), Vec::new()), (endpoint(3, Role::Proposer), vec![accept(1, 1)])];
    agent.turn(1, Vec::new()).expect("a turn");
    let inputs = fake.0.borrow().acceptor_inputs[0].clone();
    assert_eq!(inputs.mail.len(), 1);
    assert_eq!(inputs.mail[0].sender, endpoint(3, Role::Proposer));
    assert!(fake.calls().iter().any(|call| call.starts_with("log") && call.contains("is dropped: no frame")));
}

#[test]
fn an_acceptor_that_is_refused_says_nothing_more() {
    let fake = Fake::default();
    let mut agent = AcceptorAgent::start(fake.clone(), &settings(&[Role::Acceptor])).expect("it starts");
    let mut outputs = no_acceptor_outputs();
    outputs.stop = Some("another storage is known".into());
    outputs.append = vec![vec![1]];
    outputs.send = vec![sending(Target::All(Role::Learner), trimmed(1))];
    fake.0.borrow_mut().acceptor.push_back(outputs);
    fake.calls();
    let fault = agent.turn(1, Vec::new()).expect_err("refused");
    assert_eq!((fault.kind, fault.text.as_str()), (FaultKind::Refused, "another storage is known"));
    assert_eq!(fake.calls(), ["step durable 0"]);
}

#[test]
fn a_learner_acts_in_order_and_reports_a_snapshot_when_it_is_durable() {
    let fake = Fake::default();
    fake.0.borrow_mut().snapshot = Some((3, vec![9; 8]));
    let mut agent = LearnerAgent::start(fake.clone(), &settings(&[Role::Learner])).expect("it starts");
    assert_eq!(
        fake.calls()[1..4],
        ["restore 3 8", "log restored from the snapshot of slot 3, 8 bytes", "configure 3 8"]
    );
    let slot = |slot| Execution { slot, batch: Vec::new() };
    let actions = vec![
        learner::Action::Execute(vec![slot(4), slot(5)]),
        learner::Action::TakeSnapshot(5),
        learner::Action::Execute(vec![slot(6)]),
    ];
    fake.0.borrow_mut().learner.push_back(learner::Outputs { actions, send: Vec::new(), deadline: None });
    let turned = agent.turn(1, Vec::new()).expect("a turn");
    assert_eq!(turned.deadline, Some(77));
    assert_eq!(fake.calls(), ["apply [4, 5]", "begin", "begin-snapshot 5", "apply [6]"]);
    {
        let outside = fake.0.borrow();
        let uptos: Vec<_> = outside.learner_inputs.iter().map(|i| i.applied.as_ref().map(|a| a.upto)).collect();
        assert_eq!(uptos, [None, Some(5), Some(6)]);
        assert!(outside.learner_inputs.iter().all(|inputs| inputs.saved.is_none() && inputs.part.is_none()));
    }
    // A part with each turn, and batches in between; each turn says that there is more to do at once, until it is whole.
    assert!(turned.more);
    fake.0.borrow_mut().parts.extend([0, 30, 20]);
    let mut turns = Vec::new();
    for now in 2..5 {
        let actions = vec![learner::Action::Execute(vec![slot(5 + now)])];
        fake.0.borrow_mut().learner.push_back(learner::Outputs { actions, send: Vec::new(), deadline: None });
        turns.push((agent.turn(now, Vec::new()).expect("a turn").more, fake.calls().join(", ")));
    }
    let calls = [
        (true, "part, apply [7]"),
        (true, "part, add-to-snapshot 30, apply [8]"),
        (false, "part, add-to-snapshot 20, finish-snapshot, flush, apply [9]"),
    ];
    assert_eq!(turns, calls.map(|(more, calls)| (more, calls.to_string())));
    fake.0.borrow_mut().durable_snapshot = 5;
    agent.turn(5, Vec::new()).expect("a turn");
    assert!(fake.calls().is_empty());
    let outside = fake.0.borrow();
    let parts: Vec<_> = outside.learner_inputs.iter().filter_map(|inputs| inputs.part.clone()).collect();
    assert!(parts.iter().all(|part| (part.slot, part.total) == (5, 50)));
    assert_eq!(parts.iter().map(|part| part.bytes.len()).collect::<Vec<_>>(), [0, 30, 20]);
    assert_eq!(outside.learner_inputs.iter().filter_map(|inputs| inputs.saved).collect::<Vec<_>>(), [5]);
}

#[test]
fn what_is_chosen_is_applied_a_piece_at_a_time() {
    let fake = Fake::default();
    let mut agent = LearnerAgent::start(fake.clone(), &settings(&[Role::Learner])).expect("it starts");
    fake.calls();
    let slot = |slot, bytes| Execution { slot, batch: vec![0; bytes] };
    let slots = vec![slot(1, 40_000), slot(2, 40_000), slot(3, 200_000), slot(4, 10), slot(5, 0)];
    let actions = vec![learner::Action::Execute(slots)];
    fake.0.borrow_mut().learner.push_back(learner::Outputs { actions, send: Vec::new(), deadline: None });
    agent.turn(1, Vec::new()).expect("a turn");
    assert_eq!(fake.calls(), ["apply [1]", "apply [2]", "apply [3]", "apply [4, 5]"]);
    assert_eq!(fake.0.borrow().learner_inputs.len(), 5);
}

#[test]
fn a_learner_whose_snapshot_is_of_another_slot_stops() {
    let fake = Fake::default();
    let mut agent = LearnerAgent::start(fake.clone(), &settings(&[Role::Learner])).expect("it starts");
    let actions = vec![learner::Action::TakeSnapshot(6)];
    fake.0.borrow_mut().learner.push_back(learner::Outputs { actions, send: Vec::new(), deadline: None });
    assert_eq!(agent.turn(1, Vec::new()).expect_err("a fault").kind, FaultKind::Contract);
}

#[test]
fn a_proposer_reads_clients_only_while_commands_are_wanted() {
    let fake = Fake::default();
    let mut agent = ProposerAgent::start(fake.clone(), &settings(&[Role::Proposer]), 0).expect("it starts");
    let requests = vec![client_server::Request { connection: 4, commands: b"abc".to_vec() }];
    let intake = client_server::Intake { requests, closed: Vec::new(), more: true, notes: Vec::new() };
    let mut full = no_proposer_outputs();
    full.accepting = false;
    full.answers = vec![proposer::Answer { connection: 4, frame: b"answer".to_vec() }];
    {
        let mut outside = fake.0.borrow_mut();
        outside.requests.push_back(intake);
        outside.proposer.push_back(full);
    }
    fake.calls();
    let turned = agent.turn(1, Vec::new()).expect("a turn");
    assert!(!turned.more, "held back: nothing is read though there is more");
    {
        let outside = fake.0.borrow();
        assert_eq!(outside.proposer_inputs[0].submissions[0].commands, b"abc");
        assert!(!outside.proposer_inputs[0].all_read);
        assert_eq!(outside.answers, [client_server::Answer { connection: 4, frame: b"answer".to_vec() }]);
    }
    assert!(fake.calls().contains(&"requests true".to_string()));
    agent.turn(2, Vec::new()).expect("a turn");
    assert!(fake.calls().contains(&"requests false".to_string()));
    agent.turn(3, Vec::new()).expect("a turn");
    assert!(fake.calls().contains(&"requests true".to_string()));
}

#[test]
fn what_the_detectors_name_reaches_the_core_once_and_what_the_core_claims_reaches_them() {
    let fake = Fake::default();
    let mut agent = ProposerAgent::start(fake.clone(), &settings(&[Role::Proposer]), 0).expect("it starts");
    let beat = Message::Heartbeat(Heartbeat { leading: Some(BALLOT), follows: None, fit: true, applied: 3, life: 8 });
    let named = leader_detector::Outputs { leader: Some(2), follows: None, majority: true };
    let mut claims = no_proposer_outputs();
    claims.claim = Some(proposer::OwnClaim { leading: None, fit: true });
    {
        let mut outside = fake.0.borrow_mut();
        outside.inbox = vec![(endpoint(2, Role::Proposer), vec![beat]), (endpoint(1, Role::Learner), vec![trimmed(1)])];
        // Asked by the heartbeat, by the claim of the step, and by nothing after that.
        outside.leaders.extend([named, leader_detector::Outputs { leader: Some(1), follows: None, majority: true }]);
        outside.proposer.push_back(claims);
    }
    fake.calls();
    let turned = agent.turn(1, Vec::new()).expect("a turn");
    let calls = fake.calls();
    assert!(calls.contains(&"heard [(2, 8)]".to_string()), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("leader?")).count(), 2);
    let outside = fake.0.borrow();
    let leaders: Vec<_> =
        outside.proposer_inputs.iter().map(|inputs| inputs.leadership.map(|news| news.leader)).collect();
    assert_eq!(leaders, [Some(Some(2)), Some(Some(1))]);
    assert_eq!(turned.deadline, Some(77));
}

#[test]
fn a_round_is_on_disk_before_its_prepare_leaves() {
    let fake = Fake::default();
    let mut agent = ProposerAgent::start(fake.clone(), &settings(&[Role::Proposer]), 0).expect("it starts");
    let mut round = no_proposer_outputs();
    round.append = vec![vec![6]];
    let mut prepare = no_proposer_outputs();
    prepare.send = vec![sending(Target::All(Role::Acceptor), trimmed(1))];
    {
        let mut outside = fake.0.borrow_mut();
        outside.sync_at_once = true;
        outside.proposer.extend([round, prepare]);
    }
    fake.calls();
    agent.turn(1, Vec::new()).expect("a turn");
    let calls = fake.calls();
    let order: Vec<&str> = calls
        .iter()
        .map(String::as_str)
        .filter(|c| ["append", "flush", "send"].iter().any(|w| c.starts_with(w)))
        .collect();
    assert_eq!(order, ["append 1", "flush", "send 1"]);
    assert_eq!(fake.0.borrow().proposer_inputs[1].durable, 1);
}
