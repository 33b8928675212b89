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

pub mod desk;
pub mod wire;

use super::contracts::Contracts;
use crate::admin::server;
use crate::datadir;
use anyhow::{Context, Result};
use desk::Line;
use replicode_contracts::backend::Backend;
use replicode_contracts::functions::{Request, limits, request};
use replicode_log::{Call, Input};
use replicode_replication::Replica;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Between two looks whether the log takes more.
const CONGESTED: Duration = Duration::from_millis(2);
/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;
/// Inputs that are offered at once, at most.
const TOGETHER: usize = 256;

/// Serves until dropped.
pub struct Served {
    contracts: Arc<Contracts>,
    socket: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Whoever accepts looks once more.
        let _ = server::connect(&self.socket);
        self.contracts.functions.close();
        // It may be gone already.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A question, and who wants to know.
struct Question {
    line: Arc<Line>,
    tag: u64,
    request: Request,
}

/// Serves at a path. A socket that an earlier process has left there is replaced: the directory is this node's.
///
/// # Errors
/// When the socket cannot be made, or there are no threads.
pub fn serve(socket: &Path, contracts: Arc<Contracts>, replica: Replica) -> Result<Served> {
    let what = || format!("cannot serve functions at {}", socket.display());
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(what),
        _ => {}
    }
    // The directory is private, so that nobody comes in between.
    let listener = server::with_short_path(socket, |short| UnixListener::bind(short)).with_context(what)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).with_context(what)?;
    let (ask, asked) = channel::<Question>();
    // One thread for questions: each that runs functions needs room in the engine's pools.
    let to_ask = contracts.clone();
    spawn("fn-questions", move || asked.into_iter().for_each(|question| answer(&to_ask, &question)))?;
    let (shared, stop) = (contracts.clone(), Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    spawn("fn-accept", move || {
        for stream in listener.incoming() {
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else {
                std::thread::sleep(CONGESTED);
                continue;
            };
            let (contracts, replica, ask) = (shared.clone(), replica.clone(), ask.clone());
            let served = spawn("fn-server", move || {
                if let Err(error) = connection(stream, &contracts, &replica, &ask) {
                    tracing::warn!("a server of functions was cut off: {error:#}");
                }
            });
            if let Err(error) = served {
                tracing::warn!("a server of functions is not served: {error:#}");
            }
        }
    })?;
    Ok(Served { contracts, socket: socket.to_path_buf(), stop })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(run).context("cannot start a thread")?;
    Ok(())
}

/// Serves one server, to its end.
fn connection(stream: UnixStream, contracts: &Arc<Contracts>, replica: &Replica, ask: &Sender<Question>) -> Result<()> {
    let mut from = BufReader::with_capacity(BUFFER, stream.try_clone()?);
    (&stream).write_all(wire::MAGIC)?;
    let mut magic = [0; wire::MAGIC.len()];
    from.read_exact(&mut magic)?;
    anyhow::ensure!(magic == *wire::MAGIC, "it is of another version");
    let line = Arc::new(Line::new(stream));
    contracts.functions.enter(&line);
    let slow = line.clone();
    let result = spawn("fn-writer", move || slow.work()).and_then(|()| read(&mut from, &line, contracts, replica, ask));
    contracts.functions.leave(&line);
    line.close();
    result
}

fn read(
    from: &mut BufReader<UnixStream>,
    line: &Arc<Line>,
    contracts: &Contracts,
    replica: &Replica,
    ask: &Sender<Question>,
) -> Result<()> {
    let mut inputs = Vec::new();
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
                inputs.push(Input::Call(Call::Submit { client, sequence, transaction }));
            }
            wire::ASK => match Request::decode_body(&frame.body).filter(Request::is_question) {
                Some(request) => {
                    // The thread that answers lives as long as the node.
                    let _ = ask.send(Question { line: line.clone(), tag: frame.tag, request });
                }
                None => refuse(line, frame.tag, "this is no question"),
            },
            _ => refuse(line, frame.tag, "this is nothing that the log takes"),
        }
        let more = wire::is_whole(from.buffer()) && inputs.len() < TOGETHER;
        if !more && !inputs.is_empty() {
            while replica.congested() {
                std::thread::sleep(CONGESTED);
            }
            replica.offer(&mut inputs);
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
    let Question { line, tag, request } = question;
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
            line.put(wire::RECEIPT, *tag, batch, 0, &receipt.encode());
            line.flush();
        }
        Err(why) => refuse(line, *tag, &why),
    }
}
