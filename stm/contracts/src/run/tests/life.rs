//! Deploy, spawn, call, view, upgrade, publish; accounts that verify for themselves; events and registers.

use super::support::*;
use crate::abi::U256;
use crate::account::Address;
use crate::cell::CellKey;
use crate::event::Topic;
use crate::hash::Hash;
use crate::receipt::status::Rule;
use crate::receipt::{Status, Trap};
use crate::registers::{Operation, Width};
use crate::run::cells;
use crate::run::host::{Halt, Host};
use crate::run::{Moment, Sequential};
use crate::template::{Kind, LibraryPin, SliceKind, SliceSpec, Template};
use crate::transaction::{Action, BadProof, Body, Proof, Transaction};

fn counter_document() -> serde_json::Value {
    serde_json::json!({
        "abi": 1,
        "name": "counter",
        "functions": [
            {"name": "new", "kind": "init", "payable": true, "args": [{"name": "start", "type": "u64"}]},
            {"name": "increment", "kind": "call", "args": [{"name": "by", "type": "u64"}], "returns": "u64"},
            {"name": "get", "kind": "view", "returns": "u64"},
            {"name": "sly", "kind": "view"},
            {"name": "shout", "kind": "call", "args": [{"name": "times", "type": "u32"}]},
            {"name": "wide", "kind": "call", "returns": "u256"},
            {"name": "elsewhere", "kind": "call", "args": [{"name": "other", "type": "address"}]},
            {"name": "may_upgrade", "kind": "upgrade",
             "args": [{"name": "sender", "type": "address"}, {"name": "to", "type": "hash"}], "returns": "bool"},
        ],
        "events": [{"name": "Counted", "fields": [
            {"name": "by", "type": "u64", "topic": true}, {"name": "now", "type": "u64"},
        ]}],
        "storage": [{"name": "count", "type": "u64", "slice": 0}],
    })
}

fn count(host: &mut dyn Host) -> Result<u64, Halt> {
    Ok(borsh::from_slice(&read(host, 0)?).expect("eight bytes"))
}

fn counter(function: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    match function {
        "new" => write(host, 0, arguments)?,
        "increment" => {
            let by: u64 = borsh::from_slice(arguments).expect("decoded before");
            let Some(now) = count(host)?.checked_add(by) else { return Err(host.revert(1, vec![])) };
            write(host, 0, &encoded(&now))?;
            host.emit(0, &encoded(&(by, now)), if by == 77 { Some(5) } else { None })?;
            if by == 78 {
                host.emit(0, &[1], None)?;
            }
            return Ok(encoded(&now));
        }
        "get" => return read(host, 0),
        "sly" => {
            // The refusal is swallowed; it has ended the frame all the same.
            let _ = write(host, 0, &[9; 8]);
        }
        "shout" => {
            let times: u32 = borsh::from_slice(arguments).expect("decoded before");
            for _ in 0..times {
                host.emit(0, &[0; 16], None)?;
            }
        }
        "wide" => {
            let registers = host.registers();
            registers.set(Width::W256, 0, &[0xff; 32]).expect("there");
            registers.set(Width::W256, 1, &[2]).expect("there");
            registers.calculate(Operation::Mul, Width::W256, 2, 0, 1).expect("wide");
            return Ok(registers.get(Width::W256, 2).expect("there").to_vec());
        }
        "elsewhere" => {
            let other: Address = borsh::from_slice(arguments).expect("decoded before");
            let mut bytes = Vec::new();
            host.get(&CellKey::slice(other.as_bytes(), 0), &mut bytes)?;
        }
        "may_upgrade" => {
            let (sender, _): (Address, Hash) = borsh::from_slice(arguments).expect("decoded before");
            return Ok(vec![u8::from(sender == Address::of_name("ann"))]);
        }
        "migrate" => {
            let old = count(host)?;
            write(host, 1, &encoded(&U256::from(old * 10).to_le_bytes::<32>()))?;
        }
        other => unreachable!("{other} is not in the document"),
    }
    Ok(vec![])
}

fn world() -> (World, Hash, Address) {
    let mut world = World::new(&[("counter", counter)]);
    let hash = world.deploy(template("counter", counter_document()));
    let account = world.spawn(hash, Some("new"), encoded(&5u64), 40);
    (world, hash, account)
}

fn increment(world: &mut World, account: Address, by: u64) -> crate::receipt::Receipt {
    world.run("ann", vec![call(account, "increment", encoded(&by))])
}

#[test]
fn a_contract_is_deployed_spawned_and_called() {
    let (mut world, hash, account) = world();
    assert_eq!(account, Address::spawned(&Address::of_name("ann"), 0, &hash));
    assert_eq!(world.balance(&account), 40);
    let receipt = increment(&mut world, account, 3);
    assert_eq!((receipt.status, receipt.returned), (Status::Success, encoded(&8u64)));
    let event = &receipt.events[0];
    assert_eq!((event.account, event.template, event.name.as_str()), (account, hash, "Counted"));
    assert_eq!(event.topics, [Topic::of(&3u64.to_le_bytes())]);
    assert_eq!(event.data, encoded(&(3u64, 8u64)));
    assert_eq!(event.expires, world.batch * 1_000 + world.config.event_life);
    let touched = &receipt.touched[0];
    assert_eq!((touched.account, touched.slices.len()), (account, 1));
    assert!(touched.slices[0].written && touched.slices[0].index == 0);
    let receipt = increment(&mut world, account, 77);
    assert_eq!(receipt.events[0].expires, 5);
}

#[test]
fn deployment_and_spawn_in_one_transaction_are_all_or_nothing() {
    let mut world = World::new(&[("counter", counter)]);
    let bytes = template("counter", counter_document());
    let hash = Template::hash_of(&bytes);
    let spawn = |start: u64, constructor: &str| Action::Spawn {
        template: hash,
        constructor: Some(constructor.into()),
        arguments: encoded(&start),
        value: 0,
    };
    let deploy = Action::Deploy { template: bytes };
    let receipt = world.run("ann", vec![deploy.clone(), spawn(1, "get")]);
    assert_eq!(receipt.status, Status::NotAConstructor { function: "get".into() });
    assert_eq!(receipt.deployed, []);
    assert_eq!(world.run("ann", vec![spawn(1, "new")]).status, Status::TemplateNotFound { template: hash });
    let receipt = world.run("ann", vec![deploy, spawn(1, "new"), spawn(2, "new")]);
    assert!(receipt.is_success(), "{}", receipt.status);
    assert_eq!(receipt.deployed, [hash]);
    assert_ne!(receipt.spawned[0], receipt.spawned[1], "two of one template in one transaction");
    let again = world.run("ann", vec![spawn(3, "new")]);
    assert!(!receipt.spawned.contains(&again.spawned[0]));
}

#[test]
fn what_is_called_has_to_be_there_and_callable() {
    let (mut world, hash, account) = world();
    let mut status = |account: Address, function: &str, arguments: Vec<u8>| {
        world.run("ann", vec![call(account, function, arguments)]).status
    };
    let nobody = Address::of_name("bob");
    assert_eq!(status(nobody, "get", vec![]), Status::AccountNotFound { account: nobody });
    assert_eq!(status(account, "got", vec![]), Status::FunctionNotFound { function: "got".into() });
    let outside = Status::NotAllowed { what: Rule::NotCallable };
    assert_eq!(status(account, "new", encoded(&1u64)), outside);
    assert_eq!(status(account, "may_upgrade", encoded(&(nobody, hash))), outside);
    for wrong in [vec![], vec![0; 7], vec![0; 9]] {
        let Status::BadArguments { why } = status(account, "increment", wrong) else { panic!("they decode") };
        assert!(why.starts_with("expected"), "{why}");
    }
    let paid = Action::Call { account, function: "get".into(), arguments: vec![], value: 1 };
    assert_eq!(world.run("ann", vec![paid]).status, Status::NotAllowed { what: Rule::NotPayable });
    let nothing = Action::Spawn { template: hash, constructor: None, arguments: vec![], value: 0 };
    assert_eq!(world.run("ann", vec![nothing]).status, Status::NotAConstructor { function: String::new() });
    let poor = Action::Spawn {
        template: hash,
        constructor: Some("new".into()),
        arguments: encoded(&1u64),
        value: u128::MAX >> 1,
    };
    assert!(matches!(world.run("ann", vec![poor]).status, Status::NoMoney { .. }));
}

#[test]
fn a_view_changes_nothing_even_when_it_swallows_the_refusal() {
    let (mut world, _, account) = world();
    let before = world.cells.clone();
    assert_eq!(world.run("ann", vec![call(account, "sly", vec![])]).status, Status::Trapped { trap: Trap::ReadOnly });
    let mut block = Sequential::new(&mut world.cells, &world.config, &world.natives, Moment::default());
    let ann = Address::of_name("ann");
    let seen = block.view(ann, account, "get", &[], 100_000, true).expect("maps do not fail");
    assert_eq!((seen.outcome.status, seen.outcome.returned), (Status::Success, encoded(&5u64)));
    let seen = block.view(ann, account, "increment", &encoded(&1u64), 100_000, true).expect("maps do not fail");
    assert_eq!(seen.outcome.status, Status::NotAllowed { what: Rule::ReadOnly });
    // A dry run: what it would do, and what it would burn.
    let seen = block.view(ann, account, "increment", &encoded(&1u64), 100_000, false).expect("maps do not fail");
    assert_eq!((seen.outcome.status, seen.outcome.returned), (Status::Success, encoded(&6u64)));
    let key = CellKey::slice(account.as_bytes(), 0);
    assert_eq!(world.cells.bytes().get(&key), before.bytes().get(&key));
    let receipt = increment(&mut world, account, 1);
    assert_eq!(seen.outcome.burnt + world.config.prices.call, receipt.gas.burnt, "the dry run was exact");
}

#[test]
fn a_reverted_call_leaves_state_and_events_as_they_were() {
    let (mut world, _, account) = world();
    let key = CellKey::slice(account.as_bytes(), 0);
    let before = world.cells.bytes().get(&key).cloned();
    let receipt = increment(&mut world, account, u64::MAX);
    assert_eq!(receipt.status, Status::Reverted { code: 1, data: vec![] });
    // An event that is not the document's is the code's mistake, and takes the good one before it along.
    let receipt = increment(&mut world, account, 78);
    assert_eq!(receipt.status, Status::Trapped { trap: Trap::Host });
    assert_eq!(receipt.events, []);
    assert_eq!(world.cells.bytes().get(&key).cloned(), before);
    assert!(!receipt.touched.is_empty(), "what was read has decided it");
}

#[test]
fn the_events_of_a_transaction_end_at_their_limit() {
    let (mut world, _, account) = world();
    let mut shout = |times: u32| world.run("ann", vec![call(account, "shout", encoded(&times))]);
    // Address, template, expiry, three lengths, "Counted", one topic, sixteen bytes of data.
    let one = 20 + 32 + 8 + 12 + 7 + 32 + 16;
    let most = u32::try_from(crate::event::form::MAX_IN_TRANSACTION / one).expect("small");
    let receipt = shout(most);
    assert_eq!((receipt.status, receipt.events.len()), (Status::Success, most as usize));
    assert_eq!(shout(most + 1).status, Status::Trapped { trap: Trap::Host });
}

#[test]
fn a_contract_reaches_its_own_slices_only() {
    let (mut world, hash, account) = world();
    let other = world.spawn(hash, Some("new"), encoded(&6u64), 0);
    let mut status = |who: Address| world.run("ann", vec![call(account, "elsewhere", encoded(&who))]).status;
    assert_eq!(status(account), Status::Success);
    assert_eq!(status(other), Status::Trapped { trap: Trap::Storage });
}

#[test]
fn registers_belong_to_a_frame() {
    let (mut world, _, account) = world();
    let receipt = world.run("ann", vec![call(account, "wide", vec![])]);
    let expected = U256::MAX.wrapping_mul(U256::from(2)).to_le_bytes::<32>();
    assert_eq!(receipt.returned, expected);
}

/// The counter with a wider variable in a new slice, which `migrate` fills.
fn next(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut document = counter_document();
    document["functions"]
        .as_array_mut()
        .expect("a list")
        .push(serde_json::json!({"name": "migrate", "kind": "migrate"}));
    document["storage"] = serde_json::json!([{"name": "count", "type": "u256", "slice": 1}]);
    document["migrate"] = serde_json::json!({"changes": ["count"]});
    change(&mut document);
    template_with("counter", serde_json::json!({"abi": 1, "name": "counter"}), |template| {
        template.abi = crate::abi::Abi::parse(document.to_string().as_bytes()).expect("a good document");
        template.constructors = vec!["new".into()];
        let slice = |offset, length| SliceSpec { kind: SliceKind::Bytes, page: 0, offset, length };
        template.layout.slices = vec![slice(0, 8), slice(8, 32)];
    })
}

#[test]
fn code_is_replaced_where_the_account_allows_it_and_migrate_runs() {
    let (mut world, old, account) = world();
    let new = world.deploy(next(|_| ()));
    let upgrade = |template: Hash| Action::Upgrade { account, template, arguments: vec![] };
    let refused = world.run("bob", vec![upgrade(new)]);
    assert_eq!(refused.status, Status::NotAllowed { what: Rule::Upgrade });
    assert_eq!(world.run("ann", vec![upgrade(Hash::ZERO)]).status, Status::TemplateNotFound { template: Hash::ZERO });
    assert_eq!(cells::record(&mut world.cells, &account).expect("maps").template, Some(old));
    let done = world.run("ann", vec![upgrade(new)]);
    assert!(done.is_success(), "{}", done.status);
    assert_eq!(cells::record(&mut world.cells, &account).expect("maps").template, Some(new));
    let filled = world.cells.bytes().get(&CellKey::slice(account.as_bytes(), 1)).cloned();
    assert_eq!(filled, Some(U256::from(50).to_le_bytes::<32>().to_vec()));
}

#[test]
fn layouts_that_clash_are_refused_with_the_variables_name() {
    let (mut world, old, account) = world();
    let new = world.deploy(next(|document| {
        document.as_object_mut().expect("an object").remove("migrate");
    }));
    let receipt = world.run("ann", vec![Action::Upgrade { account, template: new, arguments: vec![] }]);
    let Status::Refused { why } = &receipt.status else { panic!("{}", receipt.status) };
    assert!(why.contains("variable count is u256, and what is stored is u64"), "{why}");
    assert_eq!(cells::record(&mut world.cells, &account).expect("maps").template, Some(old));
    // Declared, but the slice itself is another: what is stored is found by it.
    let moved = template_with("counter", counter_document(), |template| template.layout.slices[0].offset = 8);
    let moved = world.deploy(moved);
    let receipt = world.run("ann", vec![Action::Upgrade { account, template: moved, arguments: vec![] }]);
    let Status::Refused { why } = &receipt.status else { panic!("{}", receipt.status) };
    assert!(why.contains("slice 0 is not where and what it was"), "{why}");
}

#[test]
fn without_a_rule_code_stays_for_ever() {
    let mut document = counter_document();
    document["functions"].as_array_mut().expect("a list").pop();
    let mut world = World::new(&[("counter", counter)]);
    let hash = world.deploy(template("counter", document));
    let account = world.spawn(hash, Some("new"), encoded(&5u64), 0);
    let upgrade = Action::Upgrade { account, template: hash, arguments: vec![] };
    assert_eq!(world.run("ann", vec![upgrade]).status, Status::NotAllowed { what: Rule::Upgrade });
}

#[test]
fn libraries_are_published_once_and_pinned_by_hash() {
    let (mut world, ..) = world();
    world.natives = natives_with_library();
    let library = template_with("mathlib", serde_json::json!({"abi": 1, "name": "mathlib"}), |template| {
        template.header.kind = Kind::Library;
    });
    let hash = Template::hash_of(&library);
    let publish =
        |version: &str| Action::Publish { name: "mathlib".into(), version: version.into(), template: library.clone() };
    let pinned = |hash: Hash| {
        let bytes = template_with("counter", counter_document(), |template| {
            template.libraries = vec![LibraryPin { name: "mathlib".into(), hash }];
        });
        Action::Deploy { template: bytes }
    };
    let Status::Refused { why } = world.run("ann", vec![pinned(hash)]).status else { panic!("not published yet") };
    assert!(why.starts_with("there is no library mathlib"), "{why}");
    assert!(world.run("ann", vec![publish("1")]).is_success());
    assert_eq!(world.run("ann", vec![publish("1")]).status, Status::NotAllowed { what: Rule::Published });
    assert!(world.run("ann", vec![publish("2")]).is_success());
    assert!(world.run("bob", vec![publish("1")]).is_success(), "names belong to their publisher");
    let found = cells::library(&mut world.cells, &Address::of_name("ann"), "mathlib", "2");
    assert_eq!(found, Ok(Some(hash)));
    assert!(world.run("ann", vec![pinned(hash)]).is_success());
    let spawn = Action::Spawn { template: hash, constructor: None, arguments: vec![], value: 0 };
    assert_eq!(world.run("ann", vec![spawn]).status, Status::NotAllowed { what: Rule::Library });
}

fn natives_with_library() -> Natives {
    World::new(&[("counter", counter), ("mathlib", counter)]).natives
}

#[test]
fn a_template_is_stored_whole_and_checked_when_it_is_read() {
    let (mut world, hash, _) = world();
    let bytes = template("counter", counter_document());
    assert_eq!(cells::template(&mut world.cells, &hash), Ok(Some(bytes)));
    assert_eq!(cells::template(&mut world.cells, &Hash::ZERO), Ok(None));
    let large: Vec<u8> = (0..200_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let name = Template::hash_of(&large);
    assert_eq!(cells::store_template(&mut world.cells, &name, &large), Ok(()));
    assert_eq!(cells::template(&mut world.cells, &name), Ok(Some(large)));
    // A node that has just started has no code at hand: it is made of what is stored.
    world.natives = World::new(&[("counter", counter)]).natives;
    let account = Address::spawned(&Address::of_name("ann"), 0, &hash);
    assert!(increment(&mut world, account, 1).is_success());
}

fn guarded(function: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    let (_, proof): (Hash, Vec<u8>) = borsh::from_slice(arguments).expect("decoded before");
    assert_eq!(function, "check");
    match proof.first() {
        Some(1) => Ok(vec![1]),
        Some(2) => Err(host.revert(1, vec![])),
        Some(3) => {
            host.charge(crate::receipt::GasKind::Compute, u64::MAX)?;
            Ok(vec![1])
        }
        Some(4) => {
            host.transfer(&Address::of_name("bob"), 1)?;
            Ok(vec![1])
        }
        _ => Ok(vec![0]),
    }
}

#[test]
fn an_account_with_code_decides_on_its_own_transactions() {
    let mut world = World::new(&[("guarded", guarded)]);
    let document = serde_json::json!({
        "abi": 1, "name": "guarded", "functions": [{"name": "check", "kind": "verify", "returns": "bool",
            "args": [{"name": "transaction", "type": "hash"}, {"name": "proof", "type": "bytes"}]}],
    });
    let hash = world.deploy(template("guarded", document));
    let account = world.spawn(hash, None, vec![], 1000);
    let transfer = Action::Transfer { to: Address::of_name("bob"), value: 10 };
    let body = Body { principal: account, ..world.body("nobody", vec![transfer]) };
    let with = |proof: Proof| Transaction { body: body.clone(), proof };
    for proof in [0, 2, 3, 4] {
        let receipt = world.batch(&[with(Proof::Own { proof: vec![proof] })]).remove(0);
        let why = crate::receipt::Skipped::BadSignature { why: BadProof::Refused };
        assert_eq!(receipt.status, Status::Skipped { why }, "proof {proof}");
        assert_eq!((receipt.gas.burnt, world.balance(&account)), (0, 1000));
    }
    let wrong = world.batch(&[with(Proof::Name { name: "ann".into() })]).remove(0);
    let why = crate::receipt::Skipped::BadSignature { why: BadProof::WrongKind };
    assert_eq!(wrong.status, Status::Skipped { why });
    let receipt = world.batch(&[with(Proof::Own { proof: vec![1] })]).remove(0);
    assert!(receipt.is_success(), "{}", receipt.status);
    assert_adds_up(&receipt);
    assert_eq!(receipt.gas.frames[0].function, "check");
    assert_eq!(world.balance(&account), 990);
}

#[test]
fn a_template_whose_code_may_not_run_is_refused() {
    let mut world = World::new(&[]);
    let receipt = world.run("ann", vec![Action::Deploy { template: template("other", counter_document()) }]);
    assert_eq!(receipt.status, Status::Refused { why: "there is no code for other".into() });
}
