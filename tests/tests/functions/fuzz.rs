//! The protocol under bytes of every kind: lines and frames that are right, wrong, cut, joined, interleaved and half closed. Each whole message is
//! answered once, with its own id, and nothing else comes; the server loses no connection, no memory and no mind.
//!
//! What has been interesting stands in `tests/functions/corpus` and is sent again each time: `*.lines` is JSON, `*.frames` binary mode. More
//! rounds: `REPLICODE_FN_FUZZ=ROUNDS`, another seed: `REPLICODE_FN_SEED=N`; what fails is written down with its seed.

use crate::server::{Server, TIMEOUT};
use anyhow::{Context, Result, bail, ensure};
use replicode_tests::draw::Draw;
use replicode_tests::{check, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Bytes of a line that the server takes here.
const LINE: usize = 4000;

fn server() -> Result<(Server, String)> {
    let server = Server::with_limits(&format!("line_bytes = {LINE}\n"), &[])?;
    let mut client = server.client()?;
    for name in ["reverse", "hostile"] {
        let path = crate::server::wasm_path(name);
        client.request(json!({"op": "load", "path": path, "name": name}))?;
    }
    let uuid =
        client.request(json!({"op": "info", "uuid": "reverse"}))?["uuid"].as_str().context("a number")?.to_string();
    Ok((server, uuid))
}

/// Sends bytes in pieces and reads at the same time, as long as anything comes; says that this was all if `half`.
fn talk(server: &Server, bytes: &[u8], draw: &mut Draw, half: bool) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(server.socket())?;
    stream.set_nonblocking(true)?;
    let deadline = Instant::now() + TIMEOUT;
    let (mut sent, mut came, mut over, mut room) = (0, Vec::new(), false, vec![0; 1 << 16]);
    loop {
        ensure!(
            Instant::now() < deadline,
            "after {sent} of {} bytes and {} of answers nothing comes",
            bytes.len(),
            came.len()
        );
        let mut idle = true;
        if sent < bytes.len() {
            let most = [1, 3, 17, 1000, 1 << 20][draw.below(5) as usize];
            match stream.write(&bytes[sent..bytes.len().min(sent + most)]) {
                Ok(count) => (sent, idle) = (sent + count, false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The server has said what it thinks and gone.
                Err(_) => sent = bytes.len(),
            }
        } else if half && !over {
            let _ = stream.shutdown(std::net::Shutdown::Write);
            over = true;
        }
        match stream.read(&mut room) {
            Ok(0) => return Ok(came),
            Ok(count) => {
                came.extend_from_slice(&room[..count]);
                idle = false;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Ok(came),
        }
        if idle {
            if !half && sent == bytes.len() {
                // Gone without a word.
                return Ok(came);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// What whole lines must be answered with: how often each id comes, and how many have bytes, or halves of
/// characters, that are no text: of those their id or none may be told.
fn expected(bytes: &[u8]) -> (BTreeMap<String, usize>, usize) {
    let mut ids = BTreeMap::new();
    let (mut rest, mut loose) = (bytes, 0);
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(rest.len());
        if length > LINE {
            *ids.entry("null".to_string()).or_default() += 1;
            return (ids, loose);
        }
        let Some(end) = end else { return (ids, loose) };
        if std::str::from_utf8(&rest[..end]).is_err() || rest[..end].windows(3).any(|three| three == b"\\ud") {
            loose += 1;
            rest = &rest[end + 1..];
            continue;
        }
        // Of what cannot be understood, the id is told as far as there is one.
        let value: Option<Value> = serde_json::from_slice(&rest[..end]).ok();
        let id = value.as_ref().and_then(|value| value.get("id")).cloned().unwrap_or(Value::Null);
        let id = if id.is_string() || id.is_u64() || id.is_i64() { id } else { Value::Null };
        *ids.entry(id.to_string()).or_default() += 1;
        rest = &rest[end + 1..];
    }
}

fn check_lines(server: &Server, bytes: &[u8], draw: &mut Draw) -> Result<()> {
    let came = talk(server, bytes, draw, true)?;
    let (mut ids, mut loose) = expected(bytes);
    let text = String::from_utf8(came).context("answers are text")?;
    ensure!(text.is_empty() || text.ends_with('\n'), "an answer has no end");
    for line in text.lines() {
        let answer: Value = serde_json::from_str(line).with_context(|| line.to_string())?;
        ensure!(answer.get("ok").is_some() != answer.get("error").is_some(), "{line}");
        let id = answer.get("id").cloned().unwrap_or(Value::Null).to_string();
        match ids.get_mut(&id) {
            Some(count) if *count > 0 => *count -= 1,
            _ if loose > 0 => loose -= 1,
            _ => bail!("nobody asked for {line}"),
        }
    }
    ids.retain(|_, count| *count > 0);
    ensure!(ids.is_empty() && loose == 0, "no answers for {ids:?} and {loose} lines that are no text");
    Ok(())
}

fn check_frames(server: &Server, bytes: &[u8], draw: &mut Draw) -> Result<()> {
    let came = talk(server, &[b"RFN1", bytes].concat(), draw, true)?;
    let mut ids: BTreeMap<u64, usize> = BTreeMap::new();
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*head) as usize;
        if length > LINE + 52 {
            *ids.entry(0).or_default() += 1;
            break;
        }
        let Some((frame, after)) = after.split_at_checked(length) else { break };
        let id = frame.get(4..12).and_then(|id| id.try_into().ok()).map_or(0, u64::from_le_bytes);
        *ids.entry(id).or_default() += 1;
        rest = after;
    }
    let mut answers = came.as_slice();
    while let Some((head, after)) = answers.split_first_chunk::<4>() {
        let (answer, after) = after.split_at_checked(u32::from_le_bytes(*head) as usize).context("a cut answer")?;
        let id = u64::from_le_bytes(answer.get(4..12).context("an answer's head")?.try_into()?);
        match ids.get_mut(&id) {
            Some(count) if *count > 0 => *count -= 1,
            _ => bail!("nobody asked for the answer with id {id}"),
        }
        answers = after;
    }
    ensure!(answers.is_empty(), "{} bytes are no answer", answers.len());
    ids.retain(|_, count| *count > 0);
    ensure!(ids.is_empty(), "no answers for {ids:?}");
    Ok(())
}

fn any_bytes(draw: &mut Draw, most: u64) -> Vec<u8> {
    let length = draw.below(most);
    (0..length).map(|_| draw.below(256) as u8).collect()
}

/// Lines, most of them nearly right.
fn lines(draw: &mut Draw) -> Vec<u8> {
    let mut all = Vec::new();
    for id in 0..draw.below(40) {
        let mut line = match draw.below(14) {
            0..4 => json!({"id": id, "op": "execute", "uuid": "reverse", "input": format!("{id} äöü \" \\ \u{1}")}),
            4 => json!({"id": format!("t{id}"), "op": "ping"}),
            5 => json!({"id": id, "op": "execute", "uuid": "hostile", "input": "spin 200000"}),
            6 => json!({"id": id, "op": "chain", "uuids": ["reverse", "reverse"], "input": "x", "logs": true}),
            7 => json!({"id": id, "op": "execute", "uuid": "hostile", "input": "trap", "bytes": true}),
            8 => {
                let op = ["hello", "list", "stats", "dance"][draw.below(4) as usize];
                json!({"id": -1, "op": op})
            }
            9 => json!({"id": id, "op": "execute", "uuid": "reverse", "config": {"fuel": draw.below(5000)}}),
            10 => json!({"id": id, "op": "state", "uuid": "hostile", "list": ""}),
            11 => json!({"id": [id], "op": "ping"}),
            12 => json!({"id": id, "op": "cancel", "target": draw.below(40)}),
            _ => json!({"id": id, "op": "execute", "uuid": "reverse", "input": "y".repeat(draw.below(4200) as usize)}),
        }
        .to_string()
        .into_bytes();
        if draw.happens(15) {
            // Something is lost, doubled, or becomes something else.
            let at = draw.below(line.len() as u64) as usize;
            match draw.below(4) {
                0 => line.truncate(at),
                1 => line[at] = draw.below(256) as u8,
                2 => line.splice(at..at, any_bytes(draw, 9)).for_each(drop),
                _ => line = [&line[..at], &line[..]].concat(),
            }
        }
        all.extend_from_slice(&line);
        if !draw.happens(3) {
            all.push(b'\n');
        }
    }
    if draw.happens(20) {
        all.extend(any_bytes(draw, 300));
    }
    // The first bytes decide the language.
    if b"RFN1".starts_with(&all[..all.len().min(4)]) { Vec::new() } else { all }
}

/// Frames, most of them nearly right.
fn frames(draw: &mut Draw, uuid: &str) -> Vec<u8> {
    let digits = uuid.replace('-', "");
    let number: Vec<u8> =
        (0..16).filter_map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    let mut all = Vec::new();
    for id in 1..draw.below(40) {
        let chain = draw.happens(30);
        let mut frame = vec![1 + u8::from(chain), 0, 0, 0];
        frame.extend_from_slice(&id.to_le_bytes());
        frame.extend_from_slice(&number);
        frame.extend_from_slice(&[0; 24]);
        if chain {
            let stages = draw.below(4) as u8;
            frame.push(stages);
            (0..stages).for_each(|_| frame.extend_from_slice(&number));
        }
        frame.extend(any_bytes(draw, 200));
        if draw.happens(20) {
            let at = draw.below(frame.len() as u64) as usize;
            match draw.below(3) {
                0 => frame.truncate(at),
                1 => frame[at] = draw.below(256) as u8,
                _ => frame.splice(at..at, any_bytes(draw, 9)).for_each(drop),
            }
        }
        let length = if draw.happens(2) { draw.below(1 << 32) as u32 } else { frame.len() as u32 };
        all.extend_from_slice(&length.to_le_bytes());
        all.extend_from_slice(&frame);
    }
    if draw.happens(20) {
        all.extend(any_bytes(draw, 100));
    }
    all
}

fn corpus() -> PathBuf {
    replicode_tests::root().join("tests/functions/corpus")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Whether nothing is left of all that talk.
fn settled(server: &mut Server) -> Result<()> {
    let mut client = server.client()?;
    eventually("connections to end", TIMEOUT, || {
        let stats = client.request(json!({"op": "stats"}))?;
        check(stats["connections"] == 1 && stats["in_flight"] == 0, || stats.to_string())
    })?;
    let said = server.output();
    ensure!(!said.contains("panicked"), "{said}");
    server.stop()
}

#[test]
fn what_has_been_interesting_is_answered_well() -> Result<()> {
    let (mut server, _) = server()?;
    let mut draw = Draw::new(1);
    let mut files = 0;
    for name in crate::server::names(&corpus())? {
        let bytes = std::fs::read(corpus().join(&name))?;
        for _ in 0..3 {
            let done = match name.rsplit_once('.') {
                Some((_, "lines")) => check_lines(&server, &bytes, &mut draw),
                Some((_, "frames")) => check_frames(&server, &bytes, &mut draw),
                _ => continue,
            };
            done.with_context(|| name.clone())?;
        }
        files += 1;
    }
    assert!(files >= 8, "the corpus is not there");
    settled(&mut server)
}

#[test]
fn every_whole_message_is_answered_once_with_its_own_id() -> Result<()> {
    let (mut server, uuid) = server()?;
    let rounds = number("REPLICODE_FN_FUZZ").unwrap_or(150);
    let seed = number("REPLICODE_FN_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    // Several at a time, so that answers could go to the wrong one.
    std::thread::scope(|scope| {
        let talks: Vec<_> = (0..4u64)
            .map(|worker| {
                let (server, uuid) = (&server, &uuid);
                scope.spawn(move || -> Result<()> {
                    for round in 0..rounds {
                        let mut draw = Draw::new(seed.wrapping_mul(1_000_003).wrapping_add(round * 4 + worker));
                        let binary = draw.happens(40);
                        let bytes = if binary { frames(&mut draw, uuid) } else { lines(&mut draw) };
                        if draw.happens(15) {
                            // Gone in the middle, without a word.
                            let cut = draw.below(bytes.len() as u64 + 1) as usize;
                            talk(server, &bytes[..cut], &mut draw, false)?;
                            continue;
                        }
                        let done = if binary {
                            check_frames(server, &bytes, &mut draw)
                        } else {
                            check_lines(server, &bytes, &mut draw)
                        };
                        if done.is_err() {
                            let kind = if binary { "frames" } else { "lines" };
                            let kept =
                                std::env::temp_dir().join(format!("replicode-fn-{seed}-{round}-{worker}.{kind}"));
                            std::fs::write(&kept, &bytes)?;
                            return done
                                .with_context(|| format!("seed {seed}, round {round}: kept in {}", kept.display()));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        talks.into_iter().try_for_each(|talk| talk.join().expect("a talk"))
    })?;
    settled(&mut server)
}
