//! A command-line client: single calls, and a load generator that measures increments per second.

use clap::{Parser, Subcommand};
use replicode_stm_service::client::{Ask, Session, Told, root};
use std::time::{Duration, Instant};

/// Talks to `stm-counter-server`.
#[derive(Parser)]
struct Args {
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:4000")]
    server: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Adds to a counter, once.
    Increment {
        /// Which.
        key: String,
        /// How much.
        #[arg(default_value_t = 1, allow_hyphen_values = true)]
        by: i64,
    },
    /// Prints a counter.
    Get {
        /// Which.
        key: String,
    },
    /// Prints the digest of the state.
    Root,
    /// Streams increments from many clients and prints how many were acknowledged per second.
    Load {
        /// Streams at once.
        #[arg(long, default_value_t = 64)]
        clients: u64,
        /// Seconds.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Increments per message.
        #[arg(long, default_value_t = 16)]
        batch: usize,
        /// Messages of one stream on their way at a time.
        #[arg(long, default_value_t = 4)]
        pipeline: usize,
        /// Different keys.
        #[arg(long, default_value_t = 100)]
        keys: usize,
    },
}

/// Unique enough for a session number: two clients must not share one.
fn session_id() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64) ^ (u64::from(std::process::id()) << 40)
}

async fn load(
    server: String,
    id: u64,
    end: Instant,
    batch: usize,
    pipeline: usize,
    keys: usize,
) -> Result<u64, String> {
    let mut session = Session::new(server, id);
    let names: Vec<String> = (0..keys.max(1)).map(|k| format!("load{k}")).collect();
    let (mut done, mut next) = (0, id as usize);
    loop {
        while session.in_flight() < pipeline.max(1) && Instant::now() < end {
            let asks: Vec<Ask> =
                (0..batch).map(|k| Ask::Increment(names[(next + k) % names.len()].clone(), 1)).collect();
            next = next.wrapping_add(batch);
            session.send(&asks).await.map_err(|e| e.to_string())?;
        }
        if session.in_flight() == 0 {
            return Ok(done);
        }
        done += session.receive().await.map_err(|e| e.to_string())?.len() as u64;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    match args.what {
        What::Increment { key, by } => {
            let told = Session::new(args.server, session_id()).ask(&[Ask::Increment(key, by)]).await?;
            println!(
                "{}",
                if told == [Told::Counted] { "counted" } else { "not counted: out of the range of a 64-bit integer" }
            );
        }
        What::Get { key } => {
            if let [Told::Value(v)] = Session::new(args.server, session_id()).ask(&[Ask::Get(key)]).await?[..] {
                println!("{v}");
            }
        }
        What::Root => {
            let (digest, blocks) = root(&args.server).await?;
            let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
            println!("{hex} after {blocks} blocks");
        }
        What::Load { clients, seconds, batch, pipeline, keys } => {
            let began = Instant::now();
            let end = began + Duration::from_secs(seconds);
            let base = session_id();
            let all: Vec<_> = (0..clients)
                .map(|c| tokio::spawn(load(args.server.clone(), base.wrapping_add(c), end, batch, pipeline, keys)))
                .collect();
            let mut total = 0;
            for one in all {
                total += one.await??;
            }
            let took = began.elapsed().as_secs_f64();
            println!(
                "{total} increments acknowledged in {took:.2} s: {:.0} per second, {clients} clients",
                total as f64 / took
            );
        }
    }
    Ok(())
}
