//! The counting server: `stm-counter-server --data DIR --listen 127.0.0.1:4000`.

use clap::Parser;
use replicode_stm::Stm;
use replicode_stm_service::counters::Counters;
use replicode_stm_service::gather::{self, QUEUE};
use replicode_stm_service::log::Log;
use replicode_stm_service::proto::counter_server::CounterServer;
use replicode_stm_service::rpc::Service;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;

/// Counters over gRPC, exactly once, kept in a durable log.
#[derive(Parser)]
struct Args {
    /// Folder of the log; made if missing.
    #[arg(long)]
    data: PathBuf,
    /// Address to listen on; port 0 picks a free one. The address is printed when the server is ready.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// Threads of the transaction engine (results do not depend on it).
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Threads of the network side.
    #[arg(long, default_value_t = 2)]
    io_threads: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.data)?;
    let mut counters = Counters::new(Stm::builder().threads(args.threads))?;
    let log = Log::open(&args.data.join("counters.log"), |block| {
        let _ = counters.run(block);
    })?;
    eprintln!("replayed {} blocks", log.blocks());
    let (work, requests) = mpsc::channel(QUEUE);
    let blocks = std::thread::Builder::new().name("blocks".into()).spawn(move || {
        if let Err(why) = gather::run(requests, log, counters) {
            // The file may or may not hold the block: only a fresh start can tell. Nothing of it was acknowledged.
            eprintln!("cannot write the log: {why}; the server stops");
            std::process::exit(1);
        }
    })?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(args.io_threads.max(1)).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await?;
        println!("listening on {}", listener.local_addr()?);
        std::io::stdout().flush()?;
        tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(CounterServer::new(Service::new(work)))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                let _ = tokio::signal::ctrl_c().await;
            })
            .await?;
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    drop(runtime);
    blocks.join().map_err(|_| "the block thread panicked".into())
}
