//! What proofs prove, and what they do not.

mod world;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use replicode_contracts::hash::{self, Domain, Hash};
use replicode_contracts::proof::{Anchor, Batch, Proof, Question, prove};
use replicode_contracts::tree::{Name, Whole};
use world::{From, Op, PAGE, Toy, Value, World, address, op};

/// Receipts of some transactions, and what the batch leaves behind.
fn close(world: &mut World, receipts: u8) -> Batch {
    for n in 0..receipts {
        let transaction = hash::of(Domain::Transaction, &[n]);
        let content = [transaction.as_bytes().as_slice(), b"receipt ", &[n]].concat();
        let leaf = (hash::key(transaction.as_bytes()), Some(hash::of(Domain::Receipt, &content)));
        world.forest.update(Name::Receipts, &[leaf]).expect("updates");
        world.all.insert((Name::Receipts, leaf.0), content);
    }
    let (root, receipts) = (world.forest.root(&Name::Accounts), world.forest.root(&Name::Receipts));
    Batch { index: 7, parent: hash::key(b"before"), root, receipts }
}

/// Questions about everything that is there, about things next to it, and about nothing at all; with the answers that the maps give.
fn questions(world: &World, receipts: u8) -> Vec<(Question, Option<Vec<u8>>)> {
    let mut out = Vec::new();
    for n in 0..7_u8 {
        let address = address(n);
        let contract = world.accounts.get(&n);
        let content = world.all.get(&(Name::Accounts, hash::key(&address))).cloned();
        assert_eq!(content.is_some(), contract.is_some());
        out.push((Question::Account { address }, content));
        for (page, offset, length) in [(0, 0, 32), (0, 40, 50), (1, 60, 8), (1, 4090, 6), (2, 100, 300), (9, 0, 4)] {
            let mut bytes = contract.and_then(|contract| contract.pages.get(&page).cloned()).unwrap_or(vec![0; PAGE]);
            if let (0, Some(_)) = (page, contract) {
                bytes[..32].copy_from_slice(world.forest.root(&world::map_of(&address)).as_bytes());
            }
            let bytes = bytes[offset as usize..(offset + length) as usize].to_vec();
            out.push((Question::Slice { address, page, offset, length }, Some(bytes)));
        }
        let ask = |keys: &[&[u8]]| Question::Element {
            address,
            page: 0,
            offset: 0,
            keys: keys.iter().map(|key| key.to_vec()).collect(),
        };
        out.push((ask(&[b"nothing"]), None));
        for (key, value) in contract.iter().flat_map(|contract| &contract.map) {
            let content = world.all.get(&(world::map_of(&address), hash::key(key))).cloned();
            assert!(content.is_some());
            out.push((ask(&[key]), content));
            let mut absent = key.clone();
            absent.push(9);
            out.push((ask(&[&absent]), None));
            if let Value::Map(id, map) = value {
                let name = Name::Collection { account: address, id: *id };
                for inner in map.keys().chain([&absent]) {
                    let content = world.all.get(&(name, hash::key(inner))).cloned();
                    assert_eq!(content.is_some(), map.contains_key(inner));
                    out.push((ask(&[key, inner]), content));
                }
            }
        }
    }
    for n in 0..=receipts {
        let transaction = hash::of(Domain::Transaction, &[n]);
        let content = world.all.get(&(Name::Receipts, hash::key(transaction.as_bytes()))).cloned();
        assert_eq!(content.is_some(), n < receipts);
        out.push((Question::Receipt { transaction }, content));
    }
    out
}

fn world_of(ops: &[Op]) -> World {
    let mut world = World::new(1);
    ops.iter().for_each(|op| world.apply(op));
    world.commit();
    world
}

fn proof(world: &World, question: &Question, batch: Option<Batch>) -> Proof {
    prove(world.forest.now(), &Whole(Toy), &mut From(&world.all), question, batch).expect("proves")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_proven_against_root_and_digest(ops in proptest::collection::vec(op(), 0..60), receipts in 0..4_u8) {
        let mut world = world_of(&ops);
        let batch = close(&mut world, receipts);
        for (question, answer) in questions(&world, receipts) {
            let digest = Anchor::Digest(batch.digest());
            let proven = proof(&world, &question, Some(batch));
            prop_assert_eq!(proven.verify(&question, &digest), Ok(answer.clone()), "{:?}", question);
            let wire = borsh::to_vec(&proven).expect("encodes");
            prop_assert_eq!(borsh::from_slice::<Proof>(&wire).expect("decodes"), proven.clone());
            prop_assert!(proven.verify(&question, &Anchor::Digest(Hash::ZERO)).is_err());
            prop_assert!(proven.verify(&question, &Anchor::Root(batch.root)).is_err());
            if !matches!(question, Question::Receipt { .. }) {
                let proven = proof(&world, &question, None);
                prop_assert_eq!(proven.verify(&question, &Anchor::Root(batch.root)), Ok(answer));
                prop_assert!(proven.verify(&question, &digest).is_err());
            }
        }
    }

    #[test]
    fn a_proof_answers_no_other_question_differently(ops in proptest::collection::vec(op(), 0..40)) {
        let mut world = world_of(&ops);
        let batch = close(&mut world, 2);
        let questions = questions(&world, 2);
        let proofs: Vec<Proof> = questions.iter().map(|(question, _)| proof(&world, question, Some(batch))).collect();
        for (question, answer) in &questions {
            for proof in &proofs {
                if let Ok(said) = proof.verify(question, &Anchor::Digest(batch.digest())) {
                    prop_assert_eq!(&said, answer, "{:?}", question);
                }
            }
        }
    }

    #[test]
    fn a_mutated_proof_never_verifies(ops in proptest::collection::vec(op(), 5..60), seed: u64) {
        let mut world = world_of(&ops);
        let batch = close(&mut world, 2);
        for (at, (question, _)) in (0_u64..).zip(questions(&world, 2)) {
            let wire = borsh::to_vec(&proof(&world, &question, Some(batch))).expect("encodes");
            for (place, byte) in (0_u64..).zip(0..wire.len()) {
                let mut wire = wire.clone();
                wire[byte] ^= 1 << (hash::key(&[seed, at, place].map(u64::to_le_bytes).concat()).as_bytes()[0] % 8);
                let said = borsh::from_slice::<Proof>(&wire).map(|proof| proof.verify(&question, &Anchor::Digest(batch.digest())));
                prop_assert!(!matches!(said, Ok(Ok(_))), "byte {} of {} changed", byte, wire.len());
            }
            for cut in 0..wire.len() {
                prop_assert!(borsh::from_slice::<Proof>(&wire[..cut]).is_err());
            }
        }
    }
}

/// Byte strings that look like a collection are none: a value chosen by a user cannot smuggle in a state.
#[test]
fn a_value_is_no_collection() {
    let mut forged = World::new(1);
    forged.apply(&Op::Nest { account: 1, key: b"a".to_vec(), inner: b"x".to_vec(), value: b"forged".to_vec() });
    forged.commit();
    let element = forged.all[&(world::map_of(&address(1)), hash::key(b"a"))].clone();
    let (name, inner) = forged
        .all
        .iter()
        .find(|((name, _), _)| matches!(name, Name::Collection { .. }) && *name != world::map_of(&address(1)))
        .map(|((name, _), content)| (*name, content.clone()))
        .expect("the inner map");
    // The honest world has the same bytes as a value.
    let mut honest = World::new(1);
    honest.apply(&Op::Put { account: 1, key: b"a".to_vec(), value: element[4..].to_vec() });
    honest.commit();
    let question = Question::Element { address: address(1), page: 0, offset: 0, keys: vec![b"a".to_vec()] };
    let root = Anchor::Root(honest.forest.root(&Name::Accounts));
    let mut proof = proof(&honest, &question, None);
    assert!(proof.verify(&question, &root).expect("verifies").is_some());
    let path = forged.forest.now().prove(&name, &hash::key(b"x"));
    proof.levels.push(replicode_contracts::proof::Level::Content { content: Some(inner), path });
    let keys = vec![b"a".to_vec(), b"x".to_vec()];
    let deeper = Question::Element { address: address(1), page: 0, offset: 0, keys };
    assert!(proof.verify(&deeper, &root).is_err());
}

/// A path that says that a key is absent must end where the key's own bits lead.
#[test]
fn absence_is_not_shown_by_another_leaf() {
    let mut forest = replicode_contracts::tree::Forest::new(0, 0);
    let keys: Vec<Hash> = (0..50_u8).map(|n| hash::key(&[n])).collect();
    let mut changes: Vec<_> = keys.iter().map(|key| (*key, Some(hash::key(key.as_bytes())))).collect();
    changes.sort_unstable();
    let root = forest.update(Name::Accounts, &changes).expect("updates");
    let view = forest.now();
    for key in &keys {
        for other in keys.iter().filter(|other| *other != key) {
            let mut path = view.prove(&Name::Accounts, other);
            let value = hash::key(other.as_bytes());
            path.end = replicode_contracts::proof::End::Other { key: *other, value };
            assert!(path.verify(&root, key, None).is_err());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A question as the verifier in another language reads it.
fn line(question: &Question, anchor: &Anchor, proof: &[u8]) -> String {
    let question = match question {
        Question::Account { address } => serde_json::json!({ "kind": "account", "address": hex(address) }),
        Question::Slice { address, page, offset, length } => serde_json::json!(
            { "kind": "slice", "address": hex(address), "page": page, "offset": offset, "length": length }),
        Question::Element { address, page, offset, keys } => serde_json::json!(
            { "kind": "element", "address": hex(address), "page": page, "offset": offset,
              "keys": keys.iter().map(|key| hex(key)).collect::<Vec<_>>() }),
        Question::Receipt { transaction } => {
            serde_json::json!({ "kind": "receipt", "transaction": transaction.to_string() })
        }
    };
    let (kind, known) = match anchor {
        Anchor::Root(root) => ("root", root),
        Anchor::Digest(digest) => ("digest", digest),
    };
    let anchor = [kind, &known.to_string()];
    serde_json::json!({ "question": question, "anchor": anchor, "proof": hex(proof) }).to_string()
}

/// A verifier of a few pages, written from the document and not from the code, agrees: it accepts every proof with the same answer, and
/// none that was changed.
#[test]
fn a_verifier_in_another_language_agrees() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for round in 0..3_u8 {
        let ops = proptest::collection::vec(op(), 10..60);
        let ops = ops.new_tree(&mut runner).expect("generates").current();
        let mut world = world_of(&ops);
        let batch = close(&mut world, 2);
        for (at, (question, answer)) in questions(&world, 2).into_iter().enumerate() {
            let to_root = at % 2 == 0 && !matches!(question, Question::Receipt { .. });
            let batch = (!to_root).then_some(batch);
            let anchor =
                batch.map_or(Anchor::Root(world.forest.root(&Name::Accounts)), |batch| Anchor::Digest(batch.digest()));
            let wire = borsh::to_vec(&proof(&world, &question, batch)).expect("encodes");
            lines.push(line(&question, &anchor, &wire));
            expected.push(Some(format!("ok {}", answer.map_or("absent".to_string(), |answer| hex(&answer)))));
            for n in 0..6_u8 {
                let mut wire = wire.clone();
                let random = hash::key(&[round, at as u8, n]);
                let byte = usize::from(u16::from_le_bytes(random.prefix())) % wire.len();
                wire[byte] ^= 1 << (random.as_bytes()[2] % 8);
                lines.push(line(&question, &anchor, &wire));
                expected.push(None);
            }
        }
    }
    assert!(expected.len() > 500, "{} lines", expected.len());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verify.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("could not start python3, which this test needs");
    let mut input = python.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(lines.join("\n").as_bytes()).expect("writes"));
        python.wait_with_output().expect("python ends")
    });
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(said.lines().count(), expected.len());
    for (said, expected) in said.lines().zip(expected) {
        match expected {
            Some(expected) => assert_eq!(said, expected),
            None => assert!(said.starts_with("fails: "), "{said}"),
        }
    }
}
