//! Load on a cell's contracts: clients with several transactions on their way, spread over the nodes; then one client alone.
//!
//! ```text
//! contract-load [--clients 64] [--flight 16] [--seconds 10] HOST:PORT …
//! ```
//!
//! Each client has an account of its own (`load-N`), which pays the next one nothing: the price of a transaction without the
//! contract's own. Every receipt is decoded and has to say success. Prints one line of JSON.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use replicode_contract_api::proto::contract_client::ContractClient;
use replicode_contract_api::proto::{AccountRequest, OpenRequest, Outcome, SubmitRequest};
use replicode_contracts::account::Address;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

#[derive(Parser)]
struct Args {
    /// Clients.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Transactions that each has on its way.
    #[arg(long, default_value_t = 16)]
    flight: usize,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Where nodes serve contracts.
    #[arg(required = true)]
    nodes: Vec<String>,
}

fn transaction(number: usize, nonce: u64) -> Vec<u8> {
    let name = format!("load-{number}");
    let actions = vec![Action::Transfer { to: Address::of_name(&format!("load-{}", number + 1)), value: 0 }];
    let principal = Address::of_name(&name);
    let body = Body { version: VERSION, principal, nonce, gas_limit: 100_000, gas_price: 0, actions };
    Transaction { body, proof: Proof::Name { name } }.encode()
}

/// Submits until the time is over, and waits for what is on its way. How many receipts there were in time, and how long each took.
async fn client(node: String, number: usize, flight: usize, end: Instant) -> Result<(u64, Vec<Duration>)> {
    let mut channel = ContractClient::connect(format!("http://{node}")).await.with_context(|| node.clone())?;
    let client = channel.open(OpenRequest {}).await?.into_inner().client;
    let account = Address::of_name(&format!("load-{number}")).as_bytes().to_vec();
    let first = channel.account(AccountRequest { account, batch: None }).await?.into_inner().nonce;
    let (requests, receive) = mpsc::channel(flight);
    let (mut sent, mut at) = (0, std::collections::VecDeque::new());
    let request = |sequence: u64| {
        let transaction = transaction(number, first + sequence - 1);
        SubmitRequest { client, sequence, transaction }
    };
    while sent < flight as u64 {
        sent += 1;
        at.push_back(Instant::now());
        requests.send(request(sent)).await?;
    }
    let mut replies = channel.submit(ReceiverStream::new(receive)).await?.into_inner();
    let (mut in_time, mut took) = (0, Vec::new());
    let mut requests = Some(requests);
    while let Some(reply) = replies.message().await? {
        ensure!(reply.outcome() == Outcome::Executed, "number {} is answered {:?}", reply.sequence, reply.outcome());
        let receipt = Receipt::decode(&reply.receipt)?;
        ensure!(receipt.is_success(), "{}", receipt.status);
        let now = Instant::now();
        took.extend(at.pop_front().map(|at: Instant| now - at));
        if now < end {
            in_time += 1;
            sent += 1;
            at.push_back(now);
            if let Some(requests) = &requests {
                requests.send(request(sent)).await?;
            }
        } else if at.is_empty() {
            break;
        } else {
            requests = None;
        }
    }
    Ok((in_time, took))
}

fn quantile(sorted: &[Duration], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

async fn load(args: &Args, clients: usize, flight: usize, from: usize) -> Result<(f64, Vec<Duration>)> {
    let time = Duration::from_secs(args.seconds);
    let end = Instant::now() + time;
    let node = |n: usize| args.nodes[n % args.nodes.len()].clone();
    let all: Vec<_> = (0..clients).map(|n| tokio::spawn(client(node(n), from + n, flight, end))).collect();
    let (mut count, mut took) = (0, Vec::new());
    for one in all {
        let (in_time, its) = one.await??;
        count += in_time;
        took.extend(its);
    }
    took.sort_unstable();
    Ok((count as f64 / time.as_secs_f64(), took))
}

fn main() -> Result<()> {
    let args = Args::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (per_s, took) = load(&args, args.clients, args.flight, 0).await?;
        let (alone_per_s, alone) = load(&args, 1, 1, args.clients).await?;
        println!(
            "{}",
            serde_json::json!({
                "clients": args.clients, "flight": args.flight, "receipts_per_s": per_s,
                "p50_ms": quantile(&took, 0.5), "p99_ms": quantile(&took, 0.99),
                "one_client": {"receipts_per_s": alone_per_s, "p50_ms": quantile(&alone, 0.5), "p99_ms": quantile(&alone, 0.99)},
            })
        );
        Ok(())
    })
}
