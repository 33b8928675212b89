//! The counting server: `stm-counter-server --data DIR --listen 127.0.0.1:4000`.

use clap::Parser;
use replicode_stm::Stm;
use replicode_stm_service::accept::connections;
use replicode_stm_service::command::{End, end, say};
use replicode_stm_service::counters::Counters;
use replicode_stm_service::disk::Folder;
use replicode_stm_service::gather::{Gatherer, QUEUE, Request};
use replicode_stm_service::limits::{Admission, History};
use replicode_stm_service::log::{Log, LogError, Options};
use replicode_stm_service::proto::counter_server::CounterServer;
use replicode_stm_service::recover::Replayed;
use replicode_stm_service::rpc::{MAX_MESSAGE, Service, Statuses};
use serde_json::json;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

/// Counters over gRPC, each increment exactly once, kept in a durable log of bounded size.
///
/// Prints one line, "listening on ADDRESS", when it is ready. Ends on SIGINT and SIGTERM; may be killed at any moment.
/// Exit codes: 0 stopped as asked, 1 failure (the log is damaged, the disk full, the address taken), 2 wrong usage.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder of the log; made if missing. One server at a time
    #[arg(long)]
    data: PathBuf,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// Threads of the transaction engine, 1 to 64 (results do not depend on it)
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Threads of the network side
    #[arg(long, default_value_t = 2)]
    io_threads: usize,
    /// Most keys: belongs to the log, chosen when it is made [default: 1048576]
    #[arg(long)]
    max_keys: Option<u64>,
    /// Most sessions remembered, the least recently used is forgotten: belongs to the log [default: 65536]
    #[arg(long)]
    max_sessions: Option<u64>,
    /// Longest key in bytes, 1 to 1024
    #[arg(long, default_value_t = Admission::default().max_key_bytes)]
    max_key_bytes: usize,
    /// Most operations of one request, 1 to 8192
    #[arg(long, default_value_t = Admission::default().max_batch)]
    max_batch: usize,
    /// Size at which a segment of the log ends and a snapshot takes the place of what is before
    #[arg(long, default_value_t = 64 << 20)]
    segment_bytes: u64,
    /// Keep segments that a snapshot covers, for audits; the log then grows without bound
    #[arg(long)]
    keep_segments: bool,
    /// Print the line that says where it listens as JSON
    #[arg(long)]
    json: bool,
}

fn new_id() -> [u8; 16] {
    let mut id = [0; 16];
    for half in id.chunks_mut(8) {
        half.copy_from_slice(&std::hash::RandomState::new().build_hasher().finish().to_le_bytes());
    }
    id
}

fn open(args: &Args) -> Result<(Log<Folder>, Counters), End> {
    let data = args.data.display();
    let folder = Folder::open(&args.data).map_err(|why| match why.kind() {
        std::io::ErrorKind::WouldBlock => End::Failed(format!("cannot use {data}: another server has it")),
        _ => End::Failed(format!("cannot use {data}: {why}")),
    })?;
    let options = Options {
        max_keys: args.max_keys,
        max_sessions: args.max_sessions,
        segment_bytes: args.segment_bytes,
        keep_segments: args.keep_segments,
        id: new_id(),
    };
    let builder = Stm::builder().threads(args.threads);
    let mut counters = None;
    let log = Log::open(folder, options, &mut |what| {
        let failed = |why: String| LogError::Replay(why);
        match (what, &mut counters) {
            (Replayed::State(state), _) => {
                counters = Some(Counters::restore(builder.clone(), state).map_err(|e| failed(e.to_string()))?);
            }
            (Replayed::Block(block), Some(c)) => {
                c.run(block).map_err(|e| failed(e.to_string()))?;
            }
            _ => return Err(failed("a block before the state it changes".to_string())),
        }
        Ok(())
    });
    let log = log.map_err(|why| End::Failed(format!("cannot open the log in {data}: {why}")))?;
    let counters = counters.ok_or_else(|| End::Failed(format!("the log in {data} holds no state")))?;
    Ok((log, counters))
}

fn run(args: &Args) -> Result<(), End> {
    let usage = |why: String| End::Usage(why);
    let admission = Admission { max_key_bytes: args.max_key_bytes, max_batch: args.max_batch };
    let admission = admission.check().map_err(|e| usage(e.to_string()))?;
    let defaults = History::default();
    let asked = History {
        max_keys: args.max_keys.unwrap_or(defaults.max_keys),
        max_sessions: args.max_sessions.unwrap_or(defaults.max_sessions),
    };
    asked.check().map_err(|e| usage(e.to_string()))?;
    Stm::builder().threads(args.threads).build().map_err(|e| usage(e.to_string()))?;

    let (log, counters) = open(args)?;
    let (blocks, limits) = (log.blocks(), log.limits());
    let (work, requests) = mpsc::channel::<Request>(QUEUE);
    let gatherer = Gatherer::new(log, counters);
    let block_thread = std::thread::Builder::new().name("blocks".into()).spawn(move || {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gatherer.run(requests)));
        let why = match ended {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why.to_string(),
            Err(_) => "the block thread panicked".to_string(),
        };
        // The file may or may not hold the block: only a fresh start can tell. Nothing of it was acknowledged.
        eprintln!("stm-counter-server: {why}; the server stops, start it again");
        std::process::exit(1);
    })?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(args.io_threads.max(1)).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .map_err(|why| End::Failed(format!("cannot listen on {}: {why}", args.listen)))?;
        let at = listener.local_addr()?;
        say(args.json, &json!({"listening": at.to_string(), "blocks": blocks}), format!("listening on {at}"));
        let service = CounterServer::new(Service::new(work, admission, limits.max_sessions))
            .max_decoding_message_size(MAX_MESSAGE);
        let incoming = connections(listener, |why| {
            eprintln!(
                "stm-counter-server: cannot take another connection now: {why}; new clients wait until one ends (if it is \
                 the limit of open files, raise it: ulimit -n)"
            );
        });
        let server = tonic::transport::Server::builder().add_service(Statuses(service)).serve_with_incoming(incoming);
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            ended = server => ended.map_err(End::from),
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    })?;
    // Calls on their way are cut off like those of a killed server: clients repeat them. What is in the queue is finished.
    runtime.shutdown_timeout(Duration::from_secs(1));
    block_thread.join().map_err(|_| End::Failed("the block thread panicked".to_string()))
}

fn main() -> ExitCode {
    end("stm-counter-server", run(&Args::parse()))
}
