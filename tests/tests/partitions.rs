//! A cluster whose network is split, bad or stuck, under load: what must not be answered is not, who can go on goes on, and
//! when all is well again the nodes agree and nothing acknowledged is lost or doubled.
//!
//! The last test draws its rounds: `REPLICODE_PARTITION_ROUNDS` asks for more, `REPLICODE_FAULT_SEED` for other ones.

use anyhow::{Context, Result};
use replicode_tests::cluster::{Cluster, ping, replicode, write};
use replicode_tests::draw::Draw;
use replicode_tests::history::{Clients, verify};
use replicode_tests::links::Weather;
use replicode_tests::process::run;
use replicode_tests::resp::Resp;
use replicode_tests::{check, eventually, guest};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
/// What a network may do at its worst and still carry a cluster.
const STORM: Weather = Weather { lost: 30, twice: 20, damaged: 5, late: 10, delay: Duration::from_millis(200) };

/// A cluster of which every pair of nodes has a wire, with clients at every node.
struct Stage {
    cluster: Cluster,
    clients: Clients,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new(nodes: u16) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let cluster = Cluster::start_linked_kv(&guest("kv"), nodes, &dir.path().join("c"))?;
        let clients = Clients::start(2 * usize::from(nodes), &cluster.ports());
        let stage = Self { cluster, clients, _dir: dir };
        stage.goes_on(50)?;
        Ok(stage)
    }

    fn nodes(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.cluster.nodes
    }

    fn leader_and_others(&self) -> Result<(u16, Vec<u16>)> {
        let leader = self.cluster.leader()?;
        Ok((leader, self.nodes().filter(|node| *node != leader).collect()))
    }

    fn term(&self, node: u16) -> Result<u64> {
        self.cluster.status(node)?["term"].as_u64().context("a status without a term")
    }

    /// Waits for so many more answers.
    fn goes_on(&self, answers: u64) -> Result<()> {
        let before = self.clients.answers();
        eventually("answers", TIMEOUT, || {
            let since = self.clients.answers() - before;
            check(since >= answers, || format!("{since} of {answers}\n{}", self.cluster.briefly()))
        })
    }

    /// Every pair of a node of `these` and one of `those` loses its wire.
    fn split(&self, these: &[u16], those: &[u16]) -> Result<()> {
        let links = self.cluster.links()?;
        these.iter().for_each(|a| those.iter().for_each(|b| links.cut(*a, *b)));
        Ok(())
    }

    /// Puts the network right and looks whether every promise was kept.
    fn end(mut self) -> Result<()> {
        self.cluster.links()?.heal();
        for node in self.nodes() {
            eventually(&format!("node {node} to serve"), TIMEOUT, || ping(self.cluster.port(node)))?;
            for number in 0..10 {
                wrote(&self.cluster, node, &format!("after:{node}:{number}"), TIMEOUT)?;
            }
        }
        let promises = self.clients.stop()?;
        self.cluster.await_agreement(TIMEOUT)?;
        let mut totals = (0, 0);
        for node in 1..=self.cluster.nodes {
            totals = verify(self.cluster.port(node), &promises)?;
        }
        println!("{} acknowledged, {} unknown", totals.0, totals.1);
        self.cluster.stop()?;
        // What the nodes wrote down says the same, executed anew.
        let recording = self.cluster.dir(1);
        let output = run(replicode(&["replay"]).arg(&recording), b"", Duration::from_secs(120))?;
        check(output.status.success(), || format!("replay: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Waits until a new client of a node has a write answered.
fn wrote(cluster: &Cluster, node: u16, key: &str, limit: Duration) -> Result<()> {
    let port = cluster.port(node);
    eventually(&format!("an answer from node {node}"), limit, || write(port, key, Duration::from_secs(1)))
        .with_context(|| cluster.briefly())
}

/// A new client of a node has no write answered within two seconds.
fn refuses(cluster: &Cluster, node: u16) -> Result<()> {
    let answer = Resp::connect(cluster.port(node), Duration::from_secs(2))
        .and_then(|mut resp| resp.command(&["SET", "of-a-minority", "1"]));
    check(answer.is_err(), || format!("node {node} answered {answer:?}"))
}

#[test]
fn a_leader_that_is_cut_off_answers_nobody_and_learns_of_its_successor_when_it_is_back() -> Result<()> {
    let stage = Stage::new(3)?;
    let (leader, others) = stage.leader_and_others()?;
    let term = stage.term(leader)?;
    stage.split(&[leader], &others)?;
    for node in &others {
        wrote(&stage.cluster, *node, "majority", TIMEOUT)?;
    }
    refuses(&stage.cluster, leader)?;
    stage.goes_on(200)?;
    stage.cluster.links()?.heal();
    eventually("the old leader to hear of another term", TIMEOUT, || {
        let status = stage.cluster.status(leader)?;
        // It may have been elected again, by those who went on without it.
        check(status["term"].as_u64() > Some(term), || format!("it says {status:#}"))
    })?;
    stage.end()
}

#[test]
fn two_of_five_answer_nobody_though_one_of_them_led_and_three_go_on() -> Result<()> {
    let stage = Stage::new(5)?;
    let (leader, others) = stage.leader_and_others()?;
    let (minority, majority) = ([leader, others[0]], &others[1..]);
    stage.split(&minority, majority)?;
    for node in majority {
        wrote(&stage.cluster, *node, "majority", TIMEOUT)?;
    }
    for node in minority {
        refuses(&stage.cluster, node)?;
    }
    stage.goes_on(200)?;
    stage.end()
}

#[test]
fn a_leader_that_is_not_heard_is_replaced_and_a_bridge_carries_five() -> Result<()> {
    let stage = Stage::new(5)?;
    let (leader, others) = stage.leader_and_others()?;
    // It hears everybody, and nobody hears it.
    others.iter().for_each(|other| stage.cluster.links().map_or((), |links| links.cut_one_way(leader, *other)));
    for node in &others {
        wrote(&stage.cluster, *node, "others", TIMEOUT)?;
    }
    stage.cluster.links()?.heal();
    stage.goes_on(200)?;
    // Two and two that only the fifth one hears: with either two it is a majority of which each hears each.
    stage.split(&[others[0], others[1]], &[others[2], others[3]])?;
    wrote(&stage.cluster, leader, "bridge", TIMEOUT)?;
    stage.goes_on(200)?;
    let terms: Vec<u64> = stage.nodes().map(|node| stage.term(node)).collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_secs(4));
    let after: Vec<u64> = stage.nodes().map(|node| stage.term(node)).collect::<Result<_>>()?;
    let most = |terms: &[u64]| terms.iter().max().copied().unwrap_or_default();
    // Those who do not hear the leader do not make terms (pre-vote), or nobody could lead for long.
    check(most(&after) <= most(&terms) + 2, || format!("terms went from {terms:?} to {after:?} in four seconds"))?;
    stage.end()
}

#[test]
fn a_cluster_works_through_loss_repetition_damage_and_delay() -> Result<()> {
    let stage = Stage::new(3)?;
    stage.cluster.links()?.weather(STORM);
    for _ in 0..5 {
        stage.goes_on(40)?;
        std::thread::sleep(Duration::from_millis(500));
    }
    stage.end()
}

#[test]
fn wires_that_are_clogged_one_by_one_and_freed_in_another_order_lose_nothing() -> Result<()> {
    let stage = Stage::new(3)?;
    let mut draw = Draw::new(3);
    let mut wires = [(1, 2), (1, 3), (2, 3)];
    for _ in 0..3 {
        let links = stage.cluster.links()?;
        draw.shuffle(&mut wires);
        for (a, b) in wires {
            links.clog(a, b);
            std::thread::sleep(Duration::from_millis(draw.below(700)));
        }
        // Nobody hears anybody: what was said meanwhile arrives late, and all at once.
        std::thread::sleep(Duration::from_millis(1_500));
        draw.shuffle(&mut wires);
        for (a, b) in wires {
            links.unclog(a, b);
            std::thread::sleep(Duration::from_millis(draw.below(700)));
        }
        stage.goes_on(100)?;
    }
    stage.end()
}

#[test]
fn a_mix_of_everything_with_kills_keeps_every_promise() -> Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("REPLICODE_FAULT_SEED").unwrap_or(1);
    let mut draw = Draw::new(seed);
    let mut stage = Stage::new(3)?;
    for round in 0..number("REPLICODE_PARTITION_ROUNDS").unwrap_or(6) {
        let (leader, others) = stage.leader_and_others()?;
        let victim = if draw.happens(50) { leader } else { others[draw.below(2) as usize] };
        let rest: Vec<u16> = stage.nodes().filter(|node| *node != victim).collect();
        let kills = draw.happens(60);
        let weather = Weather {
            lost: draw.below(31) as u8,
            twice: draw.below(21) as u8,
            damaged: draw.below(6) as u8,
            late: draw.below(11) as u8,
            delay: Duration::from_millis(draw.below(200)),
        };
        let way = draw.below(4);
        println!("round {round} of seed {seed}: node {victim}, kill {kills}, way {way}, {weather:?}");
        let links = stage.cluster.links()?;
        links.weather(weather);
        match way {
            0 => links.isolate(victim),
            1 => rest.iter().for_each(|other| links.cut_one_way(victim, *other)),
            2 => links.clog(victim, rest[0]),
            _ => links.cut(rest[0], rest[1]),
        }
        std::thread::sleep(Duration::from_millis(200 + draw.below(2_500)));
        if kills {
            stage.cluster.kill(victim)?;
            std::thread::sleep(Duration::from_millis(draw.below(1_500)));
        }
        stage.cluster.links()?.heal();
        if kills {
            stage.cluster.revive(victim)?;
        }
        stage.goes_on(100).with_context(|| format!("round {round} of seed {seed}"))?;
        eventually("the victim to serve", TIMEOUT, || ping(stage.cluster.port(victim)))
            .with_context(|| stage.cluster.revived_output(victim))?;
    }
    stage.end()
}
