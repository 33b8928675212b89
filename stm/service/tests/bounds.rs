//! What the process takes: descriptors when there are few, memory when there are many keys. The real server, from outside.

#![allow(clippy::unwrap_used)]

use replicode_stm::Stm;
use replicode_stm_service::client::{Ask, Session, Told};
use replicode_stm_service::counters::{Counters, Increment, Operation};
use replicode_stm_service::disk::Folder;
use replicode_stm_service::limits::History;
use replicode_stm_service::log::{Log, Options};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Server(Child, String);

impl Server {
    /// With so many descriptors.
    fn start(data: &Path, descriptors: u32, more: &[&str]) -> Server {
        let shell = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &shell, env!("CARGO_BIN_EXE_stm-counter-server"), "--listen", "127.0.0.1:0", "--data"]);
        let mut child = command.arg(data).args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_string();
        Server(child, address)
    }
    /// Processor time so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
    /// Memory in use, MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn at_the_limit_of_descriptors_clients_wait_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), 48, &["--segment-bytes", "2000"]);
    let mut first = Session::open(format!("http://{}", server.1)).await.unwrap();
    assert_eq!(first.ask(&[Ask::Get("a".into())]).await.unwrap(), [Told::Value(0)], "it is connected");
    let idle: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(&server.1).unwrap()).collect();
    // Compactions open files; each of these lines fills a segment.
    for _ in 0..40 {
        let asks = vec![Ask::Increment("a".into(), 1); 60];
        assert!(first.ask(&asks).await.unwrap().iter().all(|t| *t == Told::Counted));
    }
    let before = server.ticks();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = server.ticks() - before;
    assert!(spent < 20, "{spent} hundredths of a second in half a second without work: it spins");
    assert_eq!(server.0.try_wait().unwrap(), None, "it goes on");

    drop(idle);
    let mut later = Session::open(format!("http://{}", server.1)).await.unwrap();
    assert_eq!(later.ask(&[Ask::Get("a".into())]).await.unwrap(), [Told::Value(2400)]);
    server.0.kill().unwrap();
    let mut said = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("cannot take another connection now").count(), 1, "{said}");
}

const KEYS: u64 = 1_000_000;

/// A folder whose snapshot has [`KEYS`] keys.
fn many_keys(data: &Path) {
    let options = Options { max_keys: None, max_sessions: None, segment_bytes: 1, keep_segments: false, id: [1; 16] };
    let mut log = Log::open(Folder::open(data).unwrap(), options, &mut |_| Ok(())).unwrap();
    let mut counters = Counters::new(Stm::builder().sequential(), History::default()).unwrap();
    let increment =
        |n: u64| Operation::Increment(Increment { key: format!("key:{n:08}"), by: 1, session: 1, sequence: n + 1 });
    let mut keys = (0..KEYS).map(increment);
    let mut block = vec![Operation::Open];
    while !block.is_empty() {
        log.append(&block).unwrap();
        counters.run(&block).unwrap();
        block = keys.by_ref().take(8192).collect();
    }
    log.compact(counters.state().unwrap()).unwrap();
}

#[tokio::test]
async fn a_restart_with_a_million_keys_takes_no_more_than_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    many_keys(dir.path());
    let begun = Instant::now();
    let server = Server::start(dir.path(), 1024, &[]);
    let mut session = Session::open(format!("http://{}", server.1)).await.unwrap();
    let told = session.ask(&[Ask::Get("key:00999999".into())]).await.unwrap();
    assert_eq!(told, [Told::Value(1)], "after {:?}", begun.elapsed());
    let memory = server.memory();
    // A server that made the keys itself has as much, give or take what the allocator keeps; 219 MiB are the keys.
    assert!(memory <= 300, "{memory} MiB");
}
