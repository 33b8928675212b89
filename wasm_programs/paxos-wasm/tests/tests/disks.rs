//! What happens to a node whose disk is empty, torn, damaged, full or slow; and that the others go on.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_tests::{Cluster, Load, Settings};
use paxos_types::Op;
use paxos_ws_client::hand::End;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All files of a node's acceptor, sorted.
fn segments(cluster: &Cluster, node: u16) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.to_string_lossy().contains("acceptor")
                && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment-"))
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&cluster.data(node), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no segment of an acceptor under {}", cluster.data(node).display());
    found
}

/// A cluster with something in it, and one of its followers, killed.
fn with_a_dead_follower(settings: &Settings) -> (Cluster, u16) {
    let mut cluster = Cluster::start(settings);
    Load::start(&cluster, 1, 2000).judge();
    // What comes later says in the log that the load is durable, on the follower as well.
    for n in 0..10 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        put(&cluster, &format!("later {n}"));
    }
    let node = cluster.leader() % 3 + 1;
    cluster.kill(node);
    cluster.clear_log(node);
    (cluster, node)
}

fn put(cluster: &Cluster, key: &str) {
    let answer = cluster.session().ask(Op::Put { key: key.as_bytes(), value: b"v" });
    assert_eq!(answer.end, End::Done);
}

/// The node must end by itself, with an error that holds `words`; the others serve.
fn refused(mut cluster: Cluster, node: u16, words: &[&str]) {
    cluster.start_node(node);
    let status = cluster.ended(node);
    assert!(!status.success(), "node {node} ended as if all were well: {}", cluster.log(node));
    let log = cluster.log(node);
    for word in words {
        assert!(log.contains(word), "node {node} does not say '{word}':\n{log}");
    }
    put(&cluster, "the others go on");
    cluster.stop();
}

#[test]
fn an_empty_disk_is_refused_combined() {
    let (cluster, node) = with_a_dead_follower(&Settings::default());
    std::fs::remove_dir_all(cluster.data(node)).unwrap();
    refused(cluster, node, &["came back with the new storage", "refused"]);
}

#[test]
fn an_empty_disk_is_refused_standalone_with_components() {
    let settings = Settings { model: "standalone", network: "component", storage: "component", ..Settings::default() };
    let (cluster, node) = with_a_dead_follower(&settings);
    std::fs::remove_dir_all(cluster.data(node)).unwrap();
    refused(cluster, node, &["came back with the new storage", "refused"]);
}

#[test]
fn a_log_that_is_gone_while_its_identity_is_there_is_damage() {
    for storage in ["host", "component"] {
        let (cluster, node) = with_a_dead_follower(&Settings { storage, ..Settings::default() });
        for segment in segments(&cluster, node) {
            std::fs::remove_file(segment).unwrap();
        }
        refused(cluster, node, &["segment"]);
    }
}

#[test]
fn a_torn_record_at_the_end_is_cut_off() {
    for storage in ["host", "component"] {
        let (mut cluster, node) = with_a_dead_follower(&Settings { storage, ..Settings::default() });
        let last = segments(&cluster, node).pop().unwrap();
        // As much of a record as a crash left: its head says more bytes than there are.
        let mut bytes = std::fs::read(&last).unwrap();
        bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3]);
        std::fs::write(&last, bytes).unwrap();
        cluster.start_node(node);
        // The majority needs it now.
        let other = (1..=3).find(|other| *other != node && *other != cluster.leader()).unwrap();
        cluster.kill(other);
        put(&cluster, "with the one that was torn");
        cluster.start_node(other);
        cluster.await_ready(other);
        cluster.stop();
    }
}

#[test]
fn a_flipped_bit_is_named_by_file_and_offset() {
    for storage in ["host", "component"] {
        let (cluster, node) = with_a_dead_follower(&Settings { storage, ..Settings::default() });
        let segments = segments(&cluster, node);
        let file = segments.first().unwrap();
        let mut bytes = std::fs::read(file).unwrap();
        let place = bytes.len() / 4;
        bytes[place] ^= 0x10;
        std::fs::write(file, bytes).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        refused(cluster, node, &[&name, "at byte "]);
    }
}

#[test]
fn a_full_disk_stops_its_node_and_names_the_error() {
    let mut cluster =
        Cluster::prepare(&Settings { more: "snapshot-every: 100000000".to_owned(), ..Settings::default() });
    std::fs::create_dir_all(cluster.data(2)).unwrap();
    for node in [1, 3] {
        cluster.start_node(node);
    }
    // A file system of its own, of four megabytes, seen by this node only.
    let mount = format!("mount -t tmpfs -o size=4m tmpfs '{}' && exec \"$@\"", cluster.data(2).display());
    cluster.wrapper =
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount, "node"].map(String::from).to_vec();
    cluster.start_node(2);
    cluster.wrapper.clear();
    cluster.await_service();
    Load::start(&cluster, 2, 60_000).judge();
    assert!(!cluster.ended(2).success());
    let log = cluster.log(2);
    assert!(log.contains("No space left") || log.contains("no space left"), "node 2 does not name the error:\n{log}");
    put(&cluster, "the others go on");
    cluster.stop_node(1);
    cluster.stop_node(3);
}

#[test]
fn one_slow_disk_neither_stops_nor_breaks_anything() {
    let mut cluster = Cluster::prepare(&Settings::default());
    // Every sync of node 1, which leads, takes 20 ms.
    let source = cluster.folder().join("slow.c");
    let library = cluster.folder().join("slow.so");
    std::fs::write(
        &source,
        "#include <unistd.h>\n#include <sys/syscall.h>\n\
         int fdatasync(int fd) { usleep(20000); return syscall(SYS_fdatasync, fd); }\n\
         int fsync(int fd) { usleep(20000); return syscall(SYS_fsync, fd); }\n",
    )
    .unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(compiled.success());
    cluster.environment = vec![("LD_PRELOAD".to_owned(), library.display().to_string())];
    cluster.start_node(1);
    cluster.environment.clear();
    cluster.start_all();
    Load::start(&cluster, 2, 10_000).judge();
    cluster.stop();
}
