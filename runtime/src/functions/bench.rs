//! `fn bench`: how many executions a second a server makes, and how long each takes.

use super::ask::connect;
use crate::args::FnBenchArgs;
use crate::show::{print, print_json};
use anyhow::{Context, Result, anyhow, bail};
use replicode_functions_client::{Config, FrameClient};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Plan {
    socket: PathBuf,
    uuids: Vec<String>,
    input: Vec<u8>,
    pipeline: usize,
    time: Duration,
    binary: bool,
}

/// Nanoseconds from each request to its answer.
type Taken = Vec<u64>;

/// Runs the command.
///
/// # Errors
/// When there is no server or no such function, or an execution fails.
pub fn run(args: &FnBenchArgs, json: bool) -> Result<u8> {
    let mut client = connect(&args.of.at)?;
    let mut uuids = Vec::new();
    for function in std::iter::once(&args.of.function).chain(&args.then) {
        let info = client.request(json!({"op": "info", "uuid": function}))?;
        uuids.push(info["uuid"].as_str().context("the server does not say its UUID")?.to_string());
    }
    let input = args.input_bytes.map_or_else(|| args.input.clone().into_bytes(), |count| vec![b'x'; count as usize]);
    let time = Duration::from_secs(args.seconds.into());
    let pipeline = args.pipeline.into();
    let plan = Plan { socket: args.of.at.path(), uuids, input, pipeline, time, binary: args.binary };
    let start = Instant::now();
    let all = std::thread::scope(|scope| {
        let client = || if plan.binary { frames(&plan) } else { lines(&plan) };
        let clients: Vec<_> = (0..args.clients).map(|_| scope.spawn(client)).collect();
        let ended =
            clients.into_iter().map(|client| client.join().unwrap_or_else(|_| Err(anyhow!("a client panicked"))));
        ended.collect::<Result<Vec<Taken>>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut taken: Taken = all.into_iter().flatten().collect();
    taken.sort_unstable();
    let us = |part: f64| {
        let at = (taken.len() as f64 * part) as usize;
        taken.get(at.min(taken.len().saturating_sub(1))).map_or(0.0, |nanos| *nanos as f64 / 1000.0)
    };
    let (rate, p50, p99) = (taken.len() as f64 / seconds, us(0.5), us(0.99));
    if json {
        return print_json(&[json!({
            "executions": taken.len(), "seconds": seconds, "per_second": rate, "p50_us": p50, "p99_us": p99,
            "clients": args.clients, "pipeline": args.pipeline, "binary": args.binary, "stages": plan.uuids.len(),
        })]);
    }
    let how = if args.binary { "frames" } else { "JSON" };
    print(&format!(
        "{rate:.0} executions/s in {how} by {} client(s) with {} on their way each: {} in {seconds:.2} s; p50 {p50:.1} µs, p99 {p99:.1} µs\n",
        args.clients,
        args.pipeline,
        taken.len()
    ))
}

fn lines(plan: &Plan) -> Result<Taken> {
    let mut request = match plan.uuids.as_slice() {
        [one] => json!({"op": "execute", "uuid": one}),
        several => json!({"op": "chain", "uuids": several}),
    };
    request["input"] = json!(String::from_utf8_lossy(&plan.input));
    let line = format!("{request}\n");
    let stream = UnixStream::connect(&plan.socket)?;
    let mut reader = BufReader::with_capacity(256 << 10, stream.try_clone()?);
    let (mut writer, mut taken) = (stream, Taken::new());
    // Requests of one connection that are short are answered in their order, and these are all alike.
    let mut sent = std::collections::VecDeque::new();
    let mut batch = Vec::new();
    let (start, mut answer) = (Instant::now(), Vec::new());
    loop {
        let ends = start.elapsed() >= plan.time;
        if ends && sent.is_empty() {
            return Ok(taken);
        }
        if !ends {
            let now = Instant::now();
            batch.clear();
            for _ in sent.len()..plan.pipeline {
                batch.extend_from_slice(line.as_bytes());
                sent.push_back(now);
            }
            writer.write_all(&batch)?;
        }
        // One answer at least, then whatever has come with it.
        loop {
            answer.clear();
            if reader.read_until(b'\n', &mut answer)? == 0 {
                bail!("the server has closed the connection");
            }
            if !answer.starts_with(b"{\"ok\":") {
                let value: Value = serde_json::from_slice(&answer)?;
                bail!("an execution failed: {value}");
            }
            let from = sent.pop_front().context("an answer too many")?;
            taken.push(u64::try_from(from.elapsed().as_nanos())?);
            if sent.is_empty() || !reader.buffer().contains(&b'\n') {
                break;
            }
        }
    }
}

fn frames(plan: &Plan) -> Result<Taken> {
    let mut client = FrameClient::connect(&plan.socket)?;
    let uuids: Vec<&str> = plan.uuids.iter().map(String::as_str).collect();
    let config = Config::default();
    let mut taken = Taken::new();
    let (start, mut next, mut under_way) = (Instant::now(), 0u64, 0);
    let mut sent = vec![Instant::now(); plan.pipeline];
    let slots = plan.pipeline as u64;
    loop {
        let ends = start.elapsed() >= plan.time;
        if ends && under_way == 0 {
            return Ok(taken);
        }
        if !ends {
            let now = Instant::now();
            while under_way < plan.pipeline {
                match uuids.as_slice() {
                    [one] => client.push_execute(next, one, &plan.input, &config)?,
                    several => client.push_chain(next, several, &plan.input, &config)?,
                }
                if let Some(slot) = sent.get_mut((next % slots) as usize) {
                    *slot = now;
                }
                next += 1;
                under_way += 1;
            }
            client.flush()?;
        }
        loop {
            let answer = client.receive()?;
            answer.result.map_err(|failure| anyhow!("an execution failed: {failure}"))?;
            let from = sent.get((answer.id % slots) as usize).context("an answer to no request")?;
            taken.push(u64::try_from(from.elapsed().as_nanos())?);
            under_way -= 1;
            if under_way == 0 || !client.has_more() {
                break;
            }
        }
    }
}
