//! Contracts in a cell: real nodes, real clients over gRPC, nodes that are killed.

use anyhow::{Context, Result, bail, ensure};
use replicode_contract_api::{Client, ClientError, proto};
use replicode_contracts::account::Address;
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::{Anchor, Batch, Proof, Question};
use replicode_contracts::receipt::{Receipt, Status};
use replicode_contracts::transaction::{Action, Body, Proof as Sign, SigningKey, Transaction, VERSION};
use replicode_tests::cluster::{Cluster, START, json, replicode};
use replicode_tests::contracts::{
    GAS, PATIENCE, SUPPLY, addresses, balance, borsh_of, nonce, runtime, signed_by_name, start, success, template,
    token, transfer,
};
use replicode_tests::draw::Draw;
use replicode_tests::process::Process;
use replicode_tests::{check, eventually, guest};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const EACH: u128 = 1_000;

/// How often a leader is killed, unless REPLICODE_LEADER_KILLS says otherwise.
fn kills() -> usize {
    std::env::var("REPLICODE_LEADER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// One of 32 who pay their neighbour one at a time, and what it knows afterwards.
async fn pay(
    number: usize,
    of: usize,
    nodes: Vec<String>,
    token: Address,
    stop: Arc<AtomicBool>,
    paid: Arc<AtomicU64>,
) -> Result<u64> {
    let (name, neighbour) = (format!("c{number}"), format!("c{}", (number + 1) % of));
    let mut nodes = nodes;
    let len = nodes.len();
    nodes.rotate_left(number % len);
    let mut client = Client::new(nodes, PATIENCE);
    let mut nonce = 0;
    while !stop.load(Ordering::Relaxed) {
        let submitted = client.submit(&signed_by_name(&name, nonce, vec![transfer(token, &neighbour, 1)])).await?;
        // The receipt of this very transaction, whether the answer was to a repeat or not: anything else would be skipped.
        let receipt = submitted.receipt.with_context(|| format!("{name}: no receipt of number {nonce}"))?;
        match receipt.status {
            Status::Success => nonce += 1,
            // It has nothing left for now: an effect of its neighbour's pace. The nonce is used up.
            Status::Reverted { .. } => bail!("{name} has nothing left after {nonce} payments"),
            status => bail!("{name}: payment {nonce} is answered '{status}'"),
        }
        paid.fetch_add(1, Ordering::Relaxed);
    }
    Ok(nonce)
}

#[test]
fn each_transfer_happens_once_while_leaders_die() -> Result<()> {
    const CLIENTS: usize = 32;
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("cell");
    let mut cluster = start(&data, 3)?;
    let nodes = addresses(&cluster)?;
    let runtime = runtime()?;
    let mut ann = Client::new(nodes.clone(), PATIENCE);
    let token = runtime.block_on(token(&mut ann))?;
    let gifts = (0..CLIENTS).map(|n| transfer(token, &format!("c{n}"), EACH)).collect::<Vec<_>>();
    for (n, gifts) in (1..).zip(gifts.chunks(8)) {
        let given = runtime.block_on(ann.submit(&signed_by_name("ann", n, gifts.to_vec())))?;
        success(given.receipt)?;
    }

    let (stop, paid) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (nodes_of, stop_of, paid_of) = (nodes.clone(), stop.clone(), paid.clone());
    let payers = std::thread::spawn(move || -> Result<Vec<u64>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let all: Vec<_> = (0..CLIENTS)
                .map(|n| tokio::spawn(pay(n, CLIENTS, nodes_of.clone(), token, stop_of.clone(), paid_of.clone())))
                .collect();
            let mut counts = Vec::new();
            for one in all {
                counts.push(one.await??);
            }
            Ok(counts)
        })
    });
    for kill in 0..kills() {
        let before = paid.load(Ordering::Relaxed);
        eventually("payments to go on", PATIENCE, || {
            if payers.is_finished() {
                return Ok(());
            }
            let now = paid.load(Ordering::Relaxed);
            check(now > before + 2 * CLIENTS as u64, || format!("{before} payments before kill {kill}, {now} now"))
        })?;
        if payers.is_finished() {
            break;
        }
        let leader = cluster.leader()?;
        cluster.kill(leader)?;
        cluster.revive(leader)?;
    }
    stop.store(true, Ordering::Relaxed);
    let counts =
        payers.join().map_err(|_| anyhow::anyhow!("the payers panicked"))?.with_context(|| cluster.briefly())?;

    let agreed = cluster.await_agreement(PATIENCE)?;
    let root = agreed["contracts"]["root"].as_str().context("no root")?.to_string();
    for node in 1..=3_u16 {
        let status = cluster.status(node)?;
        ensure!(status["contracts"]["root"] == root.as_str(), "node {node} has another root: {status:#}");
        // Every node answers alike, and each payment that was acknowledged happened once, and no other.
        let mut client = Client::new(vec![nodes[usize::from(node) - 1].clone()], PATIENCE);
        let mut sum = 0;
        for n in 0..CLIENTS {
            let name = format!("c{n}");
            let has = runtime.block_on(balance(&mut client, token, &name))?;
            let expected = EACH + u128::from(counts[(n + CLIENTS - 1) % CLIENTS]) - u128::from(counts[n]);
            ensure!(has == expected, "node {node}: {name} has {has}, and should have {expected}");
            ensure!(runtime.block_on(nonce(&mut client, &Address::of_name(&name)))? == counts[n], "nonce of {name}");
            sum += has;
        }
        ensure!(sum + runtime.block_on(balance(&mut client, token, "ann"))? == SUPPLY, "node {node}: money was made");
    }

    // The recorded runs again: roots and receipts are links of the digests.
    cluster.stop()?;
    for node in 1..=3 {
        let replayed = json(&["replay", &cluster.dir(node).to_string_lossy()])?;
        ensure!(replayed["ok"] == true && replayed["mismatch"].is_null(), "node {node}: {replayed:#}");
        ensure!(replayed["contracts"]["root"] == root.as_str(), "node {node}: {replayed:#}");
    }

    // A start from checkpoints executes nothing again, has the same state, and answers what was asked before it.
    let mut cluster = start(&data, 3)?;
    let nodes = addresses(&cluster)?;
    for node in 1..=3 {
        let status = cluster.status(node)?;
        ensure!(status["contracts"]["root"] == root.as_str(), "node {node}: {status:#}");
        ensure!(status["contracts"]["calls"] == 0, "node {node} has executed its log again: {status:#}");
    }
    let mut ann = Client::new(nodes, PATIENCE);
    let last = signed_by_name("c0", counts[0] - 1, vec![transfer(token, "c1", 1)]);
    let name = replicode_contracts::hash::parts(replicode_contracts::hash::Domain::Transaction, &[&[1], &last]);
    let request = proto::ReceiptRequest { transaction: name.as_bytes().to_vec() };
    let receipt = runtime.block_on(async { anyhow::Ok(ann.channel().await?.receipt(request).await?.into_inner()) })?;
    success(receipt.receipt.map(|bytes| Receipt::decode(&bytes)).transpose()?)?;
    cluster.stop()
}

#[test]
fn a_cell_of_one_node_answers_everything() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut cluster = start(&tmp.path().join("cell"), 1)?;
    let nodes = addresses(&cluster)?;
    runtime()?.block_on(async {
        let mut client = Client::new(nodes.clone(), PATIENCE);
        let token = token(&mut client).await?;
        let sent = signed_by_name("ann", 1, vec![transfer(token, "bob", 30)]);

        // What it would do, and then does.
        let mut channel = client.channel().await?;
        let dry = channel.dry_run(proto::DryRunRequest { transaction: sent.clone() }).await?.into_inner().receipt;
        let dry = Receipt::decode(&dry)?;
        ensure!(balance(&mut client, token, "bob").await? == 0, "a dry run has left something behind");
        let done = success(client.submit(&sent).await?.receipt)?;
        ensure!((&dry.status, dry.gas.burnt) == (&done.status, done.gas.burnt), "the dry run was not exact");
        ensure!(done.states.len() == 1, "no state in {done:?}");

        // A repeat under the old number, on a stream of its own, is given the old receipt.
        let number = channel.open(proto::OpenRequest {}).await?.into_inner().client;
        let again = signed_by_name("ann", 2, vec![transfer(token, "bob", 1)]);
        let request = |sequence| proto::SubmitRequest { client: number, sequence, transaction: again.clone() };
        let mut all = Vec::new();
        for sequence in [1, 1, 3] {
            let mut replies = channel.submit(tokio_stream::iter([request(sequence)])).await?.into_inner();
            all.push(replies.message().await?.context("no reply")?);
            ensure!(replies.message().await?.is_none(), "more replies than requests");
        }
        let outcomes: Vec<_> = all.iter().map(proto::SubmitReply::outcome).collect();
        ensure!(outcomes == [proto::Outcome::Executed, proto::Outcome::Repeated, proto::Outcome::Gap], "{outcomes:?}");
        ensure!(all[0].receipt == all[1].receipt && !all[0].receipt.is_empty() && all[2].next == 2, "{all:?}");
        ensure!(balance(&mut client, token, "bob").await? == 31, "it happened twice");

        // Events, and a proof that is checked here against nothing but the batch's digest.
        let events = proto::EventsRequest { name: "Transfer".into(), ..proto::EventsRequest::default() };
        let mut events = channel.events(events).await?.into_inner();
        let mut count = 0;
        while let Some(event) = events.message().await? {
            ensure!(event.account == token.as_bytes(), "{event:?}");
            count += 1;
        }
        ensure!(count >= 2, "{count} events");
        let root = channel.root(proto::RootRequest::default()).await?.into_inner();
        let question = Question::Account { address: *token.as_bytes() };
        let asked = proto::ProofRequest { question: borsh::to_vec(&question)?, batch: None, digest: true };
        let answer = channel.proof(asked).await?.into_inner();
        let (proof, batch): (Proof, Batch) = (borsh_of(&answer.proof)?, borsh_of(&answer.batch)?);
        ensure!(batch.digest().as_bytes()[..] == root.digest, "the proof is of another batch");
        ensure!(proof.verify(&question, &Anchor::Digest(batch.digest()))?.is_some(), "there is no token");

        // The account as it was before the token was spawned.
        let before = proto::AccountRequest { account: token.as_bytes().to_vec(), batch: Some(batch.index) };
        ensure!(!channel.account(before).await?.into_inner().template.is_empty(), "no template");
        let all = channel.accounts(proto::AccountsRequest::default()).await?.into_inner();
        ensure!(all.accounts.len() >= 2 && !all.more, "{all:?}");
        let templates = channel.templates(proto::TemplatesRequest {}).await?.into_inner().templates;
        let stored = channel.template(proto::TemplateRequest { template: templates[0].clone() }).await?.into_inner();
        ensure!(stored.content == Some(template("token")?), "another template");

        // A key's account, and mistakes by name.
        let key = SigningKey::from_bytes(&[7; 32]);
        let principal = Address::of_key(&key.verifying_key().to_bytes());
        let actions = vec![Action::Transfer { to: principal, value: 5 }];
        success(client.submit(&signed_by_name("ann", 3, actions)).await?.receipt)?;
        let cell = Hash::new(root.cell.as_slice().try_into()?);
        let actions = vec![Action::Transfer { to: Address::of_name("bob"), value: 5 }];
        let body = Body { version: VERSION, principal, nonce: 0, gas_limit: GAS, gas_price: 0, actions };
        let wrong = Transaction { proof: Sign::sign(&body.signed(&Hash::ZERO), &key), body: body.clone() };
        let skipped = client.submit(&wrong.encode()).await?.receipt.context("no receipt")?;
        ensure!(matches!(skipped.status, Status::Skipped { .. }), "{}", skipped.status);
        let right = Transaction { proof: Sign::sign(&body.signed(&cell), &key), body };
        success(client.submit(&right.encode()).await?.receipt)?;
        let refused = client.submit(b"no transaction").await;
        ensure!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
        Ok(())
    })?;
    let status = cluster.status(1)?;
    ensure!(status["contracts"]["calls"].as_u64() > Some(4), "{status:#}");
    cluster.stop()
}

/// A cell that has a server as well: one digest over both.
#[test]
fn contracts_beside_a_server() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("cell");
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &data, &["--contracts", "--fund", "ann=1000000"])?;
    let nodes = addresses(&cluster)?;
    runtime()?.block_on(async {
        let mut client = Client::new(nodes, PATIENCE);
        token(&mut client).await.map(drop)
    })?;
    let agreed = cluster.await_agreement(PATIENCE)?;
    ensure!(agreed["contracts"]["batch"].as_u64() > Some(0), "{agreed:#}");
    cluster.stop()?;
    let replayed = json(&["replay", &cluster.dir(2).to_string_lossy()])?;
    ensure!(replayed["ok"] == true, "{replayed:#}");
    Ok(())
}

/// A node that was killed starts from its last checkpoint and executes the log behind it; a damaged one is named.
#[test]
fn damage_to_a_checkpoint_is_named_and_the_log_heals_it() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("cell");
    let mut cluster = start(&data, 1)?;
    let nodes = addresses(&cluster)?;
    let runtime = runtime()?;
    runtime.block_on(async { token(&mut Client::new(nodes, PATIENCE)).await.map(drop) })?;
    let root = cluster.status(1)?["contracts"]["root"].clone();
    cluster.stop()?;
    let dir = cluster.dir(1);
    let state = dir.join("contracts/state.redb");
    let mut bytes = std::fs::read(&state)?;
    bytes.iter_mut().skip(4096).for_each(|byte| *byte ^= 0xff);
    std::fs::write(&state, bytes)?;
    let mut node = Process::start(replicode(&["node", "--data"]).arg(&dir), &tmp.path().join("damaged.log"))?;
    let ended = node.wait(START)?;
    ensure!(!ended.success() && node.output().contains("state.redb"), "{ended}: {}", node.output());
    ensure!(node.output().contains("executes its log from the beginning"), "{}", node.output());
    std::fs::remove_dir_all(dir.join("contracts"))?;
    let mut cluster = start(&data, 1)?;
    addresses(&cluster)?;
    let status = cluster.status(1)?;
    ensure!(status["contracts"]["root"] == root && status["contracts"]["calls"] == 1, "{status:#}");
    cluster.stop()
}

/// How often a node is killed at a random moment, unless REPLICODE_NODE_KILLS says otherwise.
fn node_kills() -> u64 {
    std::env::var("REPLICODE_NODE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Pays without end; every receipt that it was given.
async fn pay_alone(name: String, node: String, token: Address, stop: Arc<AtomicBool>) -> Result<Vec<Receipt>> {
    let mut client = Client::new(vec![node], PATIENCE);
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let nonce = seen.len() as u64;
        let submitted = client.submit(&signed_by_name(&name, nonce, vec![transfer(token, "pot", 1)])).await?;
        let receipt = submitted.receipt.with_context(|| format!("{name}: no receipt of number {nonce}"))?;
        ensure!(receipt.is_success(), "{name}: payment {nonce} is answered '{}'", receipt.status);
        seen.push(receipt);
    }
    Ok(seen)
}

/// One node alone, killed at random moments while clients call: after each start it has what its log says, and every receipt that a client
/// has seen is there, as it was.
#[test]
fn a_node_that_is_killed_at_any_moment_loses_no_receipt() -> Result<()> {
    const CLIENTS: usize = 4;
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("cell");
    let mut cluster = start(&data, 1)?;
    let nodes = addresses(&cluster)?;
    let runtime = runtime()?;
    let mut ann = Client::new(nodes.clone(), PATIENCE);
    let token = runtime.block_on(token(&mut ann))?;
    let gifts = (0..CLIENTS).map(|n| transfer(token, &format!("c{n}"), 200_000)).collect();
    success(runtime.block_on(ann.submit(&signed_by_name("ann", 1, gifts)))?.receipt)?;
    // `up` takes a node that it has never seen serving for one that cannot be started, and ends.
    eventually("up to see the node", START, || check(cluster.output().contains(" leads"), || cluster.output()))?;

    let stop = Arc::new(AtomicBool::new(false));
    let (node, stop_of) = (nodes[0].clone(), stop.clone());
    let payers = std::thread::spawn(move || -> Result<Vec<Vec<Receipt>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let all: Vec<_> = (0..CLIENTS)
                .map(|n| tokio::spawn(pay_alone(format!("c{n}"), node.clone(), token, stop_of.clone())))
                .collect();
            let mut seen = Vec::new();
            for one in all {
                seen.push(one.await??);
            }
            Ok(seen)
        })
    });
    let mut draw = Draw::new(13);
    for _ in 0..node_kills() {
        if payers.is_finished() {
            break;
        }
        std::thread::sleep(Duration::from_millis(draw.below(400)));
        let before = cluster.pid(1)?;
        cluster.kill(1)?;
        cluster.revive(1)?;
        // Some are killed while they start.
        match draw.happens(25) {
            true => eventually("a new process", START, || check(cluster.pid(1)? != before, || "the old one".into()))?,
            false => drop(addresses(&cluster)?),
        }
    }
    addresses(&cluster)?;
    stop.store(true, Ordering::Relaxed);
    let seen = payers.join().map_err(|_| anyhow::anyhow!("the payers panicked"))?;
    let seen = seen.with_context(|| cluster.revived_output(1))?;
    let mut client = Client::new(nodes, PATIENCE);
    let mut paid = 0;
    for receipts in &seen {
        paid += receipts.len() as u128;
        for receipt in receipts {
            let request = proto::ReceiptRequest { transaction: receipt.transaction.as_bytes().to_vec() };
            let kept = runtime
                .block_on(async { anyhow::Ok(client.channel().await?.receipt(request).await?.into_inner().receipt) })?;
            ensure!(kept == Some(receipt.encode()), "another receipt of {}, or none", receipt.transaction);
        }
    }
    ensure!(paid > u128::from(node_kills()), "only {paid} payments");
    ensure!(runtime.block_on(balance(&mut client, token, "pot"))? == paid, "payments were lost, or made twice");
    let root = cluster.status(1)?["contracts"]["root"].clone();
    cluster.stop()?;
    let replayed = json(&["replay", &cluster.dir(1).to_string_lossy()])?;
    ensure!(replayed["ok"] == true && replayed["contracts"]["root"] == root, "{replayed:#}");
    Ok(())
}
