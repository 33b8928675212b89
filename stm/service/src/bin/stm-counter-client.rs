//! A command-line client: single calls, and a load generator that measures increments per second.

use clap::{Parser, Subcommand};
use replicode_stm_service::client::{Ask, Session, Told, connect, reason, root};
use replicode_stm_service::command::{End, end, hex, say};
use replicode_stm_service::proto::GetRequest;
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Talks to `stm-counter-server`.
///
/// Exit codes: 0 done, 1 failure (no server, refused, not counted), 2 wrong usage.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:4000", global = true)]
    server: String,
    /// Print results as one line of JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Add to a counter, once
    Increment {
        /// Which
        key: String,
        /// How much
        #[arg(default_value_t = 1, allow_hyphen_values = true)]
        by: i64,
    },
    /// Print a counter
    Get {
        /// Which
        key: String,
    },
    /// Print the digest of the state
    Root,
    /// Stream increments from many clients and print how many were acknowledged per second
    Load(Load),
}

#[derive(clap::Args, Clone)]
struct Load {
    /// Streams at once
    #[arg(long, default_value_t = 64)]
    clients: u64,
    /// How long
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Increments per message
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Messages of one stream on their way at a time
    #[arg(long, default_value_t = 4)]
    pipeline: usize,
    /// Different keys
    #[arg(long, default_value_t = 100)]
    keys: usize,
}

async fn stream(server: String, id: u64, end: Instant, load: Load) -> Result<u64, String> {
    let mut session = Session::open(server).await.map_err(|e| e.to_string())?;
    let names: Vec<String> = (0..load.keys.max(1)).map(|k| format!("load{k}")).collect();
    let (mut done, mut next) = (0, id as usize);
    loop {
        while session.in_flight() < load.pipeline.max(1) && Instant::now() < end {
            let asks: Vec<Ask> =
                (0..load.batch).map(|k| Ask::Increment(names[(next + k) % names.len()].clone(), 1)).collect();
            next = next.wrapping_add(load.batch);
            session.send(&asks).await.map_err(|e| e.to_string())?;
        }
        if session.in_flight() == 0 {
            return Ok(done);
        }
        let told = session.receive().await.map_err(|e| e.to_string())?;
        done += told.iter().filter(|t| **t == Told::Counted).count() as u64;
    }
}

async fn load(server: &str, load: &Load, json: bool) -> Result<(), End> {
    let began = Instant::now();
    let end = began + Duration::from_secs(load.seconds);
    let all: Vec<_> =
        (0..load.clients).map(|c| tokio::spawn(stream(server.to_string(), c, end, load.clone()))).collect();
    let mut total = 0;
    for one in all {
        total += one.await?.map_err(End::Failed)?;
    }
    let took = began.elapsed().as_secs_f64();
    let rate = total as f64 / took;
    let clients = load.clients;
    say(
        json,
        &json!({"increments": total, "seconds": took, "per_second": rate, "clients": clients}),
        format!("{total} increments acknowledged in {took:.2} s: {rate:.0} per second, {clients} clients"),
    );
    Ok(())
}

#[tokio::main]
async fn run(args: Args) -> Result<(), End> {
    match args.what {
        What::Increment { key, by } => {
            // A session is patient with a server that restarts; a person wants to know at once that there is none.
            connect(&args.server).await?;
            let mut session = Session::open(args.server).await?;
            match session.ask(&[Ask::Increment(key.clone(), by)]).await?[..] {
                [Told::Counted] => say(args.json, &json!({"key": key, "by": by, "counted": true}), "counted"),
                [Told::Overflow] => {
                    let why = format!("{key} was not changed: with {by} more it would leave the range of 64 bits");
                    return Err(End::Failed(why));
                }
                [Told::NoRoom] => {
                    return Err(End::Failed(format!("{key} was not made: the server has no room for it")));
                }
                _ => return Err(End::Failed("the server's answer makes no sense".to_string())),
            }
        }
        What::Get { key } => {
            let mut client = connect(&args.server).await?;
            let reply = client.get(GetRequest { key: key.clone() }).await;
            let value = reply.map_err(|why| End::Failed(format!("cannot get {key:?}: {}", reason(&why))))?;
            let value = value.into_inner().value;
            say(args.json, &json!({"key": key, "value": value}), value);
        }
        What::Root => {
            let (digest, blocks) = root(&args.server).await?;
            let digest = hex(&digest);
            say(args.json, &json!({"root": digest, "blocks": blocks}), format!("{digest} after {blocks} blocks"));
        }
        What::Load(what) => {
            connect(&args.server).await?;
            load(&args.server, &what, args.json).await?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    end("stm-counter-client", run(Args::parse()))
}
