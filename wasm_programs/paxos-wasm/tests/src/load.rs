//! A load on a cluster in the background, judged in the end.

use crate::Cluster;
use paxos_ws_client::check::{Histories, Kind, judge};
use paxos_ws_client::load::{Load as Clients, Settings};
use paxos_ws_client::nodes::Nodes;
use paxos_ws_client::report::Report;
use paxos_ws_client::workload::{Mix, Workload};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Threads of load, each one connection with 50 logical clients.
pub struct Load {
    threads: Vec<JoinHandle<Result<Report, String>>>,
    answered: Vec<Arc<AtomicU64>>,
    files: Vec<PathBuf>,
    nodes: Nodes,
    folder: PathBuf,
    requests: u64,
}

const KEYS: u32 = 1000;

fn settings(nodes: Nodes, first: u64, requests: u64, history: PathBuf) -> Settings {
    Settings {
        nodes,
        clients: 50,
        requests,
        workload: Workload { mix: Mix::default(), keys: KEYS, value_bytes: 32, run: "t".to_owned() },
        seed: 3,
        first,
        audit: false,
        deadline: Duration::from_secs(120),
        patience: Duration::from_secs(1),
        time: None,
        history: Some(history),
    }
}

impl Load {
    /// `threads` connections that ask `requests` in all.
    #[must_use]
    pub fn start(cluster: &Cluster, threads: u64, requests: u64) -> Self {
        let mut load = Self {
            threads: Vec::new(),
            answered: Vec::new(),
            files: Vec::new(),
            nodes: cluster.nodes(),
            folder: cluster.folder().to_owned(),
            requests: requests / threads * threads,
        };
        for n in 0..threads {
            let file = load.folder.join(format!("load-{n}.jsonl"));
            let settings = settings(load.nodes.clone(), n * 50, requests / threads, file.clone());
            let answered = Arc::new(AtomicU64::new(0));
            load.files.push(file);
            load.answered.push(Arc::clone(&answered));
            load.threads.push(std::thread::spawn(move || {
                Clients::new(settings)?.run(|report| answered.store(report.answered, Ordering::Relaxed))
            }));
        }
        load
    }

    /// How many requests are answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// How many there will be.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Waits until so many are answered.
    pub fn await_answered(&self, wanted: u64) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.answered() < wanted {
            assert!(Instant::now() < until, "{} of {wanted} requests are answered after two minutes", self.answered());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end, reads every key, and judges: each request answered, none lost, doubled, stale or wrong.
    pub fn judge(self) -> Report {
        let mut sum = Report::default();
        for thread in self.threads {
            sum.merge(&thread.join().expect("a thread of load").expect("a load"));
        }
        assert_eq!((sum.answered, sum.unanswered, sum.refused), (self.requests, 0, 0), "{}", sum.text());
        let file = self.folder.join("audit.jsonl");
        let first = self.files.len() as u64 * 50;
        let audit = Settings { audit: true, ..settings(self.nodes, first, 0, file.clone()) };
        let audited = Clients::new(audit).and_then(|load| load.run(|_| ())).expect("an audit");
        assert_eq!(audited.answered, u64::from(KEYS), "{}", audited.text());
        let mut histories = Histories::default();
        for file in self.files.iter().chain([&file]) {
            histories.add_file(file).expect("a history");
        }
        // Others may have asked too, so there may be places that are none of ours.
        let verdict = judge(&histories, false);
        if let Some(fault) = verdict.first(&histories, false) {
            let counts: Vec<String> = Kind::ALL.iter().map(|kind| format!("{} {kind}", verdict.count(*kind))).collect();
            panic!(
                "{}; the first {} one: {}\n  {}",
                counts.join(", "),
                fault.kind,
                histories.describe(fault.request),
                fault.text
            );
        }
        sum
    }
}
