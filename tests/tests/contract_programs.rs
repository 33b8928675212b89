//! Servers that call the contracts of their cell: what users have stands in a token, and no payment is lost or made twice, whichever node
//! dies.

use anyhow::{Context, Result, ensure};
use replicode_contract_api::Client;
use replicode_contracts::account::Address;
use replicode_contracts::transaction::Action;
use replicode_tests::cluster::{Cluster, json};
use replicode_tests::contracts::{PATIENCE, SUPPLY, addresses, balance, runtime, signed_by_name, success, token};
use replicode_tests::{check, eventually, guest};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const USERS: usize = 4;
const EACH: u128 = 100_000;
const KILLS: usize = 3;
/// How long one answer may take before another node is asked: longer than an election.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks one question of the server, on this node.
fn ask(port: u16, line: &str) -> Result<String> {
    ask_bytes(port, line.as_bytes())
}

fn ask_bytes(port: u16, line: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(&[line, b"\n"].concat())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    ensure!(answer.ends_with('\n'), "no whole answer to {:?}: {answer:?}", String::from_utf8_lossy(line));
    Ok(answer.trim_end().to_string())
}

/// The same, of one node after the other, until one answers.
fn ask_any(ports: &[u16], first: usize, line: &str) -> Result<String> {
    let end = Instant::now() + PATIENCE;
    let mut at = first;
    loop {
        match ask(ports[at % ports.len()], line) {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > end => return Err(error.context(format!("{line:?} is not answered"))),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
        at += 1;
    }
}

/// One of the users pays its neighbour, until it is told to stop; how often it has.
fn pay(user: usize, ports: &[u16], stop: &AtomicBool, paid: &AtomicU64) -> Result<u64> {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let line = format!("pay {number} u{user} u{} 1", (user + 1) % USERS);
        // `again`: it was made, and the connection broke before the answer.
        let answer = ask_any(ports, user + number as usize, &line)?;
        ensure!(answer == "ok" || answer == "again", "{line:?} is answered {answer:?}");
        paid.fetch_add(1, Ordering::Relaxed);
    }
    Ok(number)
}

/// A cell with this server and a token in which every user has something.
fn start(server: &str, nodes: u16, data: &Path) -> Result<(Cluster, Vec<String>, Address)> {
    let cluster = Cluster::start(&guest(server), nodes, 7000, data, &["--contracts", "--fund", "ann=1000000"])?;
    let served = addresses(&cluster)?;
    let token = runtime()?.block_on(async {
        let mut ann = Client::new(served.clone(), PATIENCE);
        let token = token(&mut ann).await?;
        let gifts = (0..USERS).map(|user| Action::Call {
            account: token,
            function: "transfer".into(),
            arguments: [&Address::of_name(&format!("u{user}")).as_bytes()[..], &EACH.to_le_bytes()].concat(),
            value: 0,
        });
        success(ann.submit(&signed_by_name("ann", 1, gifts.collect())).await?.receipt)?;
        anyhow::Ok(token)
    })?;
    let named = ask_any(&cluster.ports(), 0, &format!("token {token}"))?;
    ensure!(named == "ok", "{named}");
    Ok((cluster, served, token))
}

#[test]
fn a_bank_loses_no_payment_and_makes_none_twice_while_leaders_die() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("cell");
    let (mut cluster, served, token) = start("bank", 3, &data)?;
    let ports = cluster.ports();
    let (stop, paid) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let users: Vec<_> = (0..USERS)
        .map(|user| {
            let (ports, stop, paid) = (ports.clone(), stop.clone(), paid.clone());
            std::thread::spawn(move || pay(user, &ports, &stop, &paid))
        })
        .collect();
    for kill in 0..KILLS {
        let before = paid.load(Ordering::Relaxed);
        eventually("payments to go on", PATIENCE, || {
            let now = paid.load(Ordering::Relaxed);
            check(now > before + 20, || format!("{before} payments before kill {kill}, {now} now"))
        })?;
        let leader = cluster.leader()?;
        cluster.kill(leader)?;
        cluster.revive(leader)?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut counts = Vec::new();
    for user in users {
        let count = user.join().map_err(|_| anyhow::anyhow!("a user has panicked"))?;
        counts.push(u128::from(count.with_context(|| cluster.briefly())?));
    }

    let agreed = cluster.await_agreement(PATIENCE)?;
    let root = agreed["contracts"]["root"].as_str().context("no root")?.to_string();
    let runtime = runtime()?;
    for node in 1..=3_u16 {
        let mut client = Client::new(vec![served[usize::from(node) - 1].clone()], PATIENCE);
        let mut sum = 0;
        for user in 0..USERS {
            let name = format!("u{user}");
            let expected = EACH + counts[(user + USERS - 1) % USERS] - counts[user];
            let has = runtime.block_on(balance(&mut client, token, &name))?;
            ensure!(has == expected, "node {node}: {name} has {has}, and should have {expected}");
            ensure!(ask(cluster.port(node), &format!("has {name}"))? == has.to_string(), "the server says otherwise");
            sum += has;
        }
        ensure!(sum == EACH * USERS as u128 && sum <= SUPPLY, "money was made");
        ensure!(ask(cluster.port(node), "root")? == root, "node {node} has another root");
    }
    // Whoever has less than it pays is refused by the contract, and nothing happens.
    let much = format!("pay {} u0 u1 {}", counts[0] + 1, EACH * 10);
    ensure!(ask_any(&ports, 0, &much)? == "refused");
    // Nor does a name that is no text end the server: it has the numbers still.
    for line in [&b"has \xff"[..], b"pay 1 u0 \xff 1"] {
        ensure!(ask_bytes(ports[0], line)? == "too many users, or no name");
    }
    ensure!(ask_any(&ports, 0, "pay 1 u0 u1 1")? == "again");

    cluster.stop()?;
    for node in 1..=3 {
        let replayed = json(&["replay", &cluster.dir(node).to_string_lossy()])?;
        ensure!(replayed["ok"] == true && replayed["mismatch"].is_null(), "node {node}: {replayed:#}");
    }
    // The server runs again from the beginning, and is answered what it was.
    let mut cluster = Cluster::start(&guest("bank"), 3, 7000, &data, &["--contracts", "--fund", "ann=1000000"])?;
    let has = EACH + counts[USERS - 1] - counts[0];
    ensure!(ask_any(&cluster.ports(), 0, "has u0")? == has.to_string(), "it has forgotten what u0 has");
    ensure!(ask_any(&cluster.ports(), 1, &format!("pay {} u0 u1 1", counts[0]))? == "again");
    cluster.stop()
}

#[test]
fn a_teller_in_rust_keeps_balances_too() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let (mut cluster, served, token) = start("teller", 1, &tmp.path().join("cell"))?;
    let port = cluster.port(1);
    for (line, answer) in [
        ("pay 1 u0 u1 30", "ok"),
        ("pay 1 u0 u1 30", "again"),
        ("pay 3 u0 u1 30", "a number is missing"),
        ("pay 2 u0 u1 1000000", "refused"),
        ("pay 2 u0 u2 5", "ok"),
        ("has u0", "99965"),
        ("has u1", "100030"),
        ("has nobody", "0"),
        ("pay x", "what?"),
        // What is wrong is said, and nothing ends.
        ("token zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "what?"),
        ("token +1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1", "what?"),
        ("has u0", "99965"),
    ] {
        ensure!(ask(port, line)? == answer, "{line:?} is answered {:?}", ask(port, line)?);
    }
    let root = cluster.status(1)?["contracts"]["root"].clone();
    ensure!(root == ask(port, "root")?.as_str(), "{root}");
    let viewed = runtime()?.block_on(async { balance(&mut Client::new(served, PATIENCE), token, "u2").await })?;
    ensure!(viewed == EACH + 5, "{viewed}");
    cluster.stop()?;
    let replayed = json(&["replay", &cluster.dir(1).to_string_lossy()])?;
    ensure!(replayed["ok"] == true, "{replayed:#}");
    Ok(())
}
