//! What clients were promised, and whether it was kept.
//!
//! Each client appends numbers to a list of its own, one at a time: `RPUSH list n`. The reply is the list's length, so
//! an answer says both that the append happened and that nothing of this client was lost or doubled before. An append
//! whose answer did not come is *unknown*: it may be in the list or not, and it may still arrive later; its number is
//! never used again. At the end each list must hold every acknowledged number exactly once, in order, every unknown
//! one at most once, and nothing else.

use crate::resp::{Resp, Value};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What one client knows.
#[derive(Debug, Default)]
pub struct Promises {
    /// Numbers whose append was answered.
    pub acknowledged: Vec<u64>,
    /// Numbers whose append was sent and not answered.
    pub unknown: BTreeSet<u64>,
    /// The longest time between two answers.
    pub longest_gap: Duration,
}

/// Clients that append until they are told to stop.
pub struct Clients {
    stop: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<Promises>>>,
}

impl Clients {
    /// Starts `count` clients; client `i` prefers `ports[i % ports.len()]` and goes on to the next port when that fails.
    #[must_use]
    pub fn start(count: usize, ports: &[u16]) -> Self {
        let (stop, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let answers = Arc::new(AtomicU64::new(0));
        let threads = (0..count)
            .map(|i| {
                let (flags, answers, ports) = ((stop.clone(), silent.clone()), answers.clone(), ports.to_vec());
                std::thread::spawn(move || client(i, &ports, (&flags.0, &flags.1), &answers))
            })
            .collect();
        Self { stop, silent, answers, threads }
    }

    /// Answers that all clients together have received so far.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Lets the clients keep silent, connected, or go on.
    pub fn keep_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// Stops the clients and returns what each was promised.
    ///
    /// # Errors
    /// When a client was given a wrong answer.
    pub fn stop(self) -> Result<Vec<Promises>> {
        self.stop.store(true, Ordering::Relaxed);
        let join = |thread: JoinHandle<_>| thread.join().unwrap_or_else(|_| bail!("a client panicked"));
        self.threads.into_iter().map(join).collect()
    }
}

fn list(i: usize) -> String {
    format!("promise:{i}")
}

fn client(
    i: usize,
    ports: &[u16],
    (stop, silent): (&AtomicBool, &AtomicBool),
    answers: &AtomicU64,
) -> Result<Promises> {
    let mut promises = Promises::default();
    let mut connection = None;
    let mut port = i;
    let mut number = 0;
    let mut last_answer = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if silent.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
            last_answer = Instant::now();
            continue;
        }
        let Some(resp) = connection.as_mut() else {
            match Resp::connect(ports[port % ports.len()], Duration::from_secs(5)) {
                Ok(resp) => connection = Some(resp),
                Err(_) => {
                    port += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            continue;
        };
        number += 1;
        match resp.command(&["RPUSH", &list(i), &number.to_string()]) {
            Ok(Value::Integer(length)) => {
                promises.acknowledged.push(number);
                answers.fetch_add(1, Ordering::Relaxed);
                promises.longest_gap = promises.longest_gap.max(last_answer.elapsed());
                last_answer = Instant::now();
                let (least, most) = (promises.acknowledged.len(), promises.acknowledged.len() + promises.unknown.len());
                let length = usize::try_from(length)?;
                if !(least..=most).contains(&length) {
                    bail!("client {i}: the list has {length} entries, {least} to {most} are possible");
                }
            }
            Ok(other) => bail!("client {i}: RPUSH answered {other:?}"),
            Err(_) => {
                promises.unknown.insert(number);
                connection = None;
                port += 1;
            }
        }
    }
    Ok(promises)
}

/// Compares what a node holds now with what was promised. Returns (acknowledged, unknown) totals.
///
/// # Errors
/// The first promise that was broken.
pub fn verify(port: u16, promises: &[Promises]) -> Result<(usize, usize)> {
    let mut resp = Resp::connect(port, Duration::from_secs(10))?;
    let mut totals = (0, 0);
    for (i, promise) in promises.iter().enumerate() {
        let Value::Array(items) = resp.command(&["LRANGE", &list(i), "0", "-1"])? else { bail!("LRANGE gave no list") };
        let texts = items.iter().map(|item| item.text().context("a list holds strings"));
        let held: Vec<u64> = texts.map(|text| Ok(text?.parse()?)).collect::<Result<_>>()?;
        let set: BTreeSet<u64> = held.iter().copied().collect();
        if set.len() != held.len() {
            bail!("client {i}: an append was applied twice: {} entries, {} different", held.len(), set.len());
        }
        if let Some(lost) = promise.acknowledged.iter().find(|number| !set.contains(number)) {
            bail!("client {i}: append {lost} was acknowledged and is lost");
        }
        let acknowledged: BTreeSet<u64> = promise.acknowledged.iter().copied().collect();
        if let Some(foreign) = held.iter().find(|n| !acknowledged.contains(n) && !promise.unknown.contains(n)) {
            bail!("client {i}: the list holds {foreign}, which was never sent");
        }
        let mut order = held.iter().filter(|number| acknowledged.contains(number));
        if !order.by_ref().is_sorted() {
            bail!("client {i}: acknowledged appends are out of order");
        }
        totals.0 += promise.acknowledged.len();
        totals.1 += promise.unknown.len();
    }
    Ok(totals)
}
