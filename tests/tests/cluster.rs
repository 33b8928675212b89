//! Three nodes in lockstep, driven by real clients: same bytes as one node, a leader that dies, replay.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, SysconfVar, sysconf};
use replicode_tests::cluster::{Cluster, Server, json, replicode};
use replicode_tests::history::{Clients, verify};
use replicode_tests::process::run;
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, guest};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A fixed conversation with the kv guest, and every byte of its answers.
fn conversation(port: u16) -> Result<Vec<Value>> {
    let mut resp = Resp::connect(port, TIMEOUT)?;
    let long = "x".repeat(100_000);
    let commands: &[&[&str]] = &[
        &["PING"],
        &["SET", "a", "1"],
        &["INCR", "a"],
        &["INCRBY", "a", "40"],
        &["GET", "a"],
        &["SET", "long", &long],
        &["GET", "long"],
        &["STRLEN", "long"],
        &["RPUSH", "l", "1", "2", "3"],
        &["LPUSH", "l", "0"],
        &["LRANGE", "l", "0", "-1"],
        &["LPOP", "l"],
        &["RPOP", "l"],
        &["SADD", "s", "a", "b", "a"],
        &["HSET", "h", "f", "v"],
        &["HGET", "h", "f"],
        &["MSET", "x", "1", "y", "2"],
        &["MGET", "x", "y", "z"],
        &["GET", "l"],
        &["SET", "a"],
        &["NOSUCH"],
        &["EXISTS", "a", "b", "x"],
        &["DEL", "a", "x"],
        &["DBSIZE"],
    ];
    let mut answers = Vec::new();
    for command in commands {
        answers.push(resp.command(command)?);
    }
    // The same in one write: answers must not depend on how the bytes arrive.
    for command in commands {
        resp.send(&command.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())?;
    }
    for _ in commands {
        answers.push(resp.reply()?);
    }
    Ok(answers)
}

#[test]
fn one_node_and_three_give_clients_the_same_bytes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let single = Server::run_kv(&guest("kv"), 6379, &dir.path().join("one"), &[])?;
    let alone = conversation(single.port)?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("three"), &[])?;
    for node in 1..=3 {
        let mut flush = Resp::connect(cluster.port(node), TIMEOUT)?;
        assert_eq!(flush.command(&["FLUSHALL"])?, Value::Simple("OK".into()));
        assert_eq!(conversation(cluster.port(node))?, alone, "through node {node}");
    }
    cluster.await_agreement(TIMEOUT)?;
    cluster.stop()
}

#[test]
fn a_node_started_again_still_has_the_data() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let mut server = Server::run_kv(&guest("kv"), 6379, &data, &[])?;
    Resp::connect(server.port, TIMEOUT)?.command(&["SET", "k", "kept"])?;
    server.process.signal(Signal::SIGINT)?;
    let status = server.process.wait(TIMEOUT)?;
    check(status.success(), || format!("Ctrl-C gave {status}: {}", server.process.output()))?;
    let again = Server::run_on(&guest("kv"), server.port, 6379, &data, &[])?;
    assert_eq!(Resp::connect(again.port, TIMEOUT)?.command(&["GET", "k"])?, Value::Bulk(Some(b"kept".to_vec())));
    Ok(())
}

#[test]
fn the_leader_dies_under_load_and_nothing_acknowledged_is_lost() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let clients = Clients::start(6, &cluster.ports());
    eventually("load", TIMEOUT, || check(clients.answers() > 200, || "too few answers".into()))?;

    let leader = cluster.leader()?;
    let survivor = (1..=3).find(|node| *node != leader).context("two nodes are left")?;
    // A connection held by a survivor must go on through the change of leader.
    let mut steady = Resp::connect(cluster.port(survivor), TIMEOUT)?;
    assert_eq!(steady.command(&["SET", "steady", "1"])?, Value::Simple("OK".into()));
    // One held by the leader must be reset visibly: never a clean end.
    let mut doomed = Resp::connect(cluster.port(leader), TIMEOUT)?;
    doomed.command(&["PING"])?;
    cluster.kill(leader)?;
    let end = doomed.reply().expect_err("the node is dead");
    assert!(format!("{end:#}").contains("reset"), "a dead node must give a reset, not {end:#}");
    assert_eq!(steady.command(&["GET", "steady"])?, Value::Bulk(Some(b"1".to_vec())));

    let before = clients.answers();
    eventually("service without the leader", TIMEOUT, || check(clients.answers() > before + 200, || "no".into()))?;
    cluster.revive(leader)?;
    cluster.await_serving()?;
    let promises = clients.stop()?;
    for node in 1..=3 {
        let (acknowledged, _) = verify(cluster.port(node), &promises)?;
        assert!(acknowledged > 400);
    }
    cluster.await_agreement(Duration::from_secs(30))?;
    cluster.stop()?;

    // What the three recorded is one history, and it replays.
    let mut digests = Vec::new();
    for node in 1..=3 {
        let first = json(&["replay", &cluster.dir(node).to_string_lossy()])?;
        let second = json(&["replay", &cluster.dir(node).to_string_lossy()])?;
        assert_eq!(first["digest"], second["digest"], "two replays of node {node}");
        digests.push((first["applied_index"].clone(), first["digest"].clone()));
    }
    let shortest = digests.iter().map(|(index, _)| index.as_u64().unwrap_or(0)).min().unwrap_or(0);
    let until = shortest.to_string();
    let mut at = Vec::new();
    for node in 1..=3 {
        at.push(json(&["replay", &cluster.dir(node).to_string_lossy(), "--until", &until])?["digest"].clone());
    }
    assert!(at.windows(2).all(|pair| pair[0] == pair[1]), "digests at batch {until}: {at:?}");
    Ok(())
}

/// The processors that the threads of a node may use that do consensus and execute.
fn processors(cluster: &Cluster, node: u16) -> Result<Vec<Vec<usize>>> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{}/task", cluster.pid(node)?))? {
        let thread = thread?;
        // One that has ended meanwhile is none of those.
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if ["replica", "machine"].contains(&name.trim()) {
            found.push(allowed(thread.file_name().to_string_lossy().parse()?)?);
        }
    }
    Ok(found)
}

fn allowed(thread: i32) -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(thread))?;
    Ok((0..CpuSet::count()).filter(|processor| set.is_set(*processor).unwrap_or(false)).collect())
}

/// Where processors are fewer than nodes, followers keep to one each, in turn; elsewhere all are left alone.
fn check_places(cluster: &Cluster, living: &[u16]) -> Result<()> {
    let (all, leader) = (allowed(0)?, cluster.leader()?);
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN)?.context("how many processors are there?")?;
    let scarce = all.len() < 3 && all.len() as i64 == online;
    let mut rank = 0;
    for node in 1..=3 {
        let bound = node != leader && scarce;
        let wanted = if bound { vec![all[rank % all.len()]] } else { all.clone() };
        rank += usize::from(node != leader);
        if living.contains(&node) {
            let found = processors(cluster, node)?;
            check(found == [wanted.clone(), wanted.clone()], || {
                format!("node {node}: processors {found:?}, not {wanted:?}; {leader} leads")
            })?;
        }
    }
    Ok(())
}

#[test]
fn followers_on_one_machine_keep_to_a_processor_each_and_a_leader_does_not() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    eventually("places", TIMEOUT, || check_places(&cluster, &[1, 2, 3]))?;
    let leader = cluster.leader()?;
    cluster.kill(leader)?;
    let left: Vec<u16> = (1..=3).filter(|node| *node != leader).collect();
    eventually("places of those that are left", TIMEOUT, || check_places(&cluster, &left))?;
    cluster.stop()
}

#[test]
fn redis_benchmark_and_redis_cli_work_through_every_node() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,mset";
    for node in 1..=3 {
        let port = cluster.port(node).to_string();
        let args = ["-p", &port, "-t", tests, "-P", "16", "-n", "2000", "-c", "20", "-r", "1000", "-q"];
        let output = run(Command::new("redis-benchmark").args(args), b"", Duration::from_secs(60))?;
        let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let results = text.lines().filter(|line| line.contains("requests per second")).count();
        assert!(results >= 11, "eleven results expected: {text}");
        let cli = run(Command::new("redis-cli").args(["-p", &port, "INCR", "shared"]), b"", TIMEOUT)?;
        assert_eq!(String::from_utf8_lossy(&cli.stdout).trim(), node.to_string());
    }
    cluster.await_agreement(TIMEOUT)?;
    cluster.stop()
}

#[test]
fn an_echo_is_byte_exact_through_a_follower_and_honours_half_close() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start(&guest("echo"), 3, 7, &dir.path().join("c"), &[])?;
    let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for node in 1..=3 {
        let mut stream = eventually("echo", Duration::from_secs(60), || {
            let mut probe = TcpStream::connect(("127.0.0.1", cluster.port(node)))?;
            probe.set_read_timeout(Some(Duration::from_secs(2)))?;
            probe.write_all(b"?")?;
            probe.read_exact(&mut [0])?;
            Ok(TcpStream::connect(("127.0.0.1", cluster.port(node)))?)
        })?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let (mut writer, bytes) = (stream.try_clone()?, sent.clone());
        let feeder = std::thread::spawn(move || -> Result<()> {
            writer.write_all(&bytes)?;
            Ok(writer.shutdown(Shutdown::Write)?)
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        feeder.join().expect("the feeder does not panic")?;
        assert!(received == sent, "node {node}: {} bytes came back of {}", received.len(), sent.len());
    }
    Ok(())
}

#[test]
fn status_ps_nat_and_log_describe_a_running_node() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let mut resp = Resp::connect(cluster.port(2), TIMEOUT)?;
    resp.command(&["SET", "a", "1"])?;
    let leader = cluster.leader()?;
    let mut leaders = 0;
    for node in 1..=3 {
        let status = cluster.status(node)?;
        for field in ["node", "role", "term", "leader", "commit_index", "applied_index", "digest"] {
            assert!(!status[field].is_null(), "status of node {node} lacks '{field}': {status:#}");
        }
        assert_eq!(status["node"], node);
        assert_eq!(status["leader"], leader);
        leaders += u16::from(status["role"] == "leader");
    }
    assert_eq!(leaders, 1);
    let admin = cluster.dir(2).to_string_lossy().into_owned();
    let ps = json(&["ps", "--admin", &admin])?;
    assert_eq!(ps.as_array().map(Vec::len), Some(1), "{ps:#}");
    assert_eq!(ps[0]["name"], "kv");
    let nat = json(&["nat", "--admin", &admin])?;
    let local = resp.local_port()?;
    assert!(nat.to_string().contains(&format!(":{local}\"")), "the client's port {local} stands in the table: {nat:#}");
    let log = json(&["log", "--admin", &admin])?;
    assert!(log.as_array().is_some_and(|batches| !batches.is_empty()), "{log:#}");
    // The same for people: a table, and exit code 0.
    for command in ["status", "ps", "nat", "log"] {
        let output = run(&mut replicode(&[command, "--admin", &admin]), b"", TIMEOUT)?;
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {output:?}");
    }
    cluster.stop()
}
