//! Functions in the log, on the node's side: a socket in its directory, for servers of functions beside it (`replicode fn serve --node`).
//!
//! ```text
//! fn serve ─ functions.sock ─┬─ submit ─ Input::Call ─> log ─> machine ─ receipts ─> desk ─> fn serve
//!                            └─ ask ─ state as of the current batch ──────────────────────┘
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`wire`] | what is said |
//! | [`desk`] | who waits for which answer |
//! | [`questions`] | questions that wait for their turn |
//! | [`offering`] | what waits for the log |

pub mod desk;
pub mod offering;
pub mod questions;
pub mod wire;

use super::contracts::Contracts;
use crate::admin::server;
use crate::datadir;
use anyhow::{Context, Result};
use desk::Line;
use offering::Offering;
use questions::{Question, Questions};
use replicode_contracts::backend::Backend;
use replicode_contracts::functions::{Request, limits, request};
use replicode_log::{Call, Digest, Input};
use replicode_replication::Replica;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After an attempt to accept a server that has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(2);
/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;
/// The longest that a question may wait, in milliseconds.
const PATIENCE_MS: u64 = 3_600_000;
/// Inputs that are offered at once, at most.
const TOGETHER: usize = 256;

/// Serves until dropped.
pub struct Served {
    shared: Shared,
    socket: PathBuf,
    stop: Arc<AtomicBool>,
}

/// What all connections have in common.
#[derive(Clone)]
struct Shared {
    contracts: Arc<Contracts>,
    replica: Replica,
    questions: Arc<Questions>,
    /// The digest of the cell's configuration.
    cell: [u8; 32],
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Whoever accepts looks once more.
        let _ = server::connect(&self.socket);
        self.shared.questions.close();
        self.shared.contracts.functions.close();
        // It may be gone already.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Serves at a path. A socket that an earlier process has left there is replaced: the directory is this node's.
///
/// # Errors
/// When the socket cannot be made, or there are no threads.
pub fn serve(socket: &Path, cell: Digest, contracts: Arc<Contracts>, replica: Replica) -> Result<Served> {
    let what = || format!("cannot serve functions at {}", socket.display());
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(what),
        _ => {}
    }
    // The directory is private, so that nobody comes in between.
    let listener = server::with_short_path(socket, |short| UnixListener::bind(short)).with_context(what)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).with_context(what)?;
    let shared = Shared { contracts, replica, questions: Arc::default(), cell: *cell.bytes() };
    // One thread for questions: each that runs functions needs room in the engine's pools.
    let asked = shared.clone();
    spawn("fn-questions", move || {
        while let Some(question) = asked.questions.next() {
            answer(&asked.contracts, &question);
        }
    })?;
    let (accepted, stop) = (shared.clone(), Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    spawn("fn-accept", move || {
        for stream in listener.incoming() {
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else {
                std::thread::sleep(AFTER_FAILURE);
                continue;
            };
            let shared = accepted.clone();
            let served = spawn("fn-server", move || {
                if let Err(error) = connection(stream, &shared) {
                    tracing::warn!("a server of functions was cut off: {error:#}");
                }
            });
            if let Err(error) = served {
                tracing::warn!("a server of functions is not served: {error:#}");
            }
        }
    })?;
    Ok(Served { shared, socket: socket.to_path_buf(), stop })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(run).context("cannot start a thread")?;
    Ok(())
}

/// Serves one server, to its end.
fn connection(stream: UnixStream, shared: &Shared) -> Result<()> {
    let mut from = BufReader::with_capacity(BUFFER, stream.try_clone()?);
    (&stream).write_all(wire::MAGIC)?;
    (&stream).write_all(&shared.cell)?;
    let mut magic = [0; wire::MAGIC.len()];
    from.read_exact(&mut magic)?;
    anyhow::ensure!(magic == *wire::MAGIC, "it is of another version");
    let line = Arc::new(Line::new(stream));
    shared.contracts.functions.enter(&line);
    let (slow, offering) = (line.clone(), Arc::new(Offering::default()));
    let (offers, replica) = (offering.clone(), shared.replica.clone());
    let result = spawn("fn-writer", move || slow.work())
        .and_then(|()| spawn("fn-offering", move || offers.work(&replica)))
        .and_then(|()| read(&mut from, &line, shared, &offering));
    shared.contracts.functions.leave(&line);
    shared.questions.leave(&line);
    offering.close();
    line.close();
    result
}

fn read(from: &mut BufReader<UnixStream>, line: &Arc<Line>, shared: &Shared, offering: &Offering) -> Result<()> {
    let Shared { contracts, replica, questions, .. } = shared;
    let (mut inputs, mut bytes) = (Vec::new(), 0);
    while let Some(frame) = wire::take(from)? {
        line.wait_for_room();
        match frame.what {
            wire::OPEN => {
                let token = u64::from_le_bytes(datadir::random()?);
                contracts.functions.open(token, line, frame.tag);
                inputs.push(Input::Call(Call::Open { token }));
            }
            wire::SUBMIT if frame.a > 0 && frame.b > 0 && frame.body.len() <= limits::REQUEST_BYTES => {
                let (client, sequence) = (frame.a, frame.b);
                contracts.functions.call(client, sequence, line, frame.tag);
                let transaction = request::wrap(&frame.body, client, sequence);
                bytes += transaction.len();
                inputs.push(Input::Call(Call::Submit { client, sequence, transaction }));
            }
            wire::ASK => match Request::decode_body(&frame.body).filter(Request::is_question) {
                Some(request) => {
                    let until = Instant::now() + Duration::from_millis(frame.a.min(PATIENCE_MS));
                    let (tag, bytes) = (frame.tag, frame.body.len());
                    if !questions.put(Question { line: line.clone(), tag, request, bytes, until }) {
                        line.put(wire::FULL, tag, 0, 0, b"too many questions wait at the node: try again");
                        line.flush();
                    }
                }
                None => refuse(line, frame.tag, "this is no question"),
            },
            wire::GIVE_UP => questions.give_up(line, frame.tag),
            _ => refuse(line, frame.tag, "this is nothing that the log takes"),
        }
        let more = wire::is_whole(from.buffer()) && inputs.len() < TOGETHER;
        if !more && !inputs.is_empty() {
            offering.put(replica, &mut inputs, std::mem::take(&mut bytes));
        }
    }
    Ok(())
}

fn refuse(line: &Line, tag: u64, why: &str) {
    line.put(wire::REFUSED, tag, 0, 0, why.as_bytes());
    line.flush();
}

/// Answers from the state as of the current batch.
fn answer(contracts: &Contracts, question: &Question) {
    let Question { line, tag, request, .. } = question;
    let found = contracts.with(|backend| {
        // A node that is behind would answer from the past.
        contracts.current()?;
        let batch = backend.tip().map_or(0, |tip| tip.index);
        // Client 0 is nobody's: its bytes are in no log.
        let answered = backend.dry_run(&request.encode(0, 0)).map_err(|error| error.to_string());
        answered.map(|receipt| (batch, receipt))
    });
    match found {
        Ok((batch, receipt)) => {
            let receipt = receipt.encode();
            if !wire::fits(&receipt) {
                return refuse(line, *tag, wire::TOO_LONG);
            }
            line.put(wire::RECEIPT, *tag, batch, 0, &receipt);
            line.flush();
        }
        Err(why) => refuse(line, *tag, &why),
    }
}
