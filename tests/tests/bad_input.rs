//! Bad input gets a clear error that names the thing, an exit code, and disturbs nothing else.

use anyhow::Result;
use nix::sys::stat::Mode;
use replicode_tests::cluster::{Cluster, Server, ping, replicode};
use replicode_tests::process::run;
use replicode_tests::{free_ports, guest};
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Runs, expects `code`, and that the message holds every word.
fn refused(command: &mut Command, code: i32, words: &[&str]) -> Result<()> {
    let output = run(command, b"", TIMEOUT)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{command:?}: the message must name '{word}': {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    Ok(())
}

fn module(dir: &Path, name: &str, bytes: &[u8]) -> Result<std::path::PathBuf> {
    let path = dir.join(name);
    fs::write(&path, bytes)?;
    Ok(path)
}

#[test]
fn usage_errors_exit_with_2() -> Result<()> {
    refused(&mut replicode(&["run"]), 2, &["MODULE"])?;
    refused(&mut replicode(&["no-such-command"]), 2, &["no-such-command"])?;
    refused(replicode(&["run"]).arg(guest("hello")).args(["--publish", "not-a-port"]), 2, &["not-a-port"])?;
    refused(replicode(&["run"]).arg(guest("hello")).args(["--env", "NOVALUE"]), 2, &["NOVALUE"])?;
    refused(replicode(&["up"]).arg(guest("kv")).args(["--nodes", "0"]), 2, &["0"])
}

#[test]
fn broken_modules_are_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let d = dir.path();
    let missing = d.join("missing.wasm");
    refused(replicode(&["run"]).arg(&missing), 1, &["missing.wasm"])?;
    refused(replicode(&["run"]).arg(module(d, "text.wasm", b"hello")?), 1, &["text.wasm"])?;
    refused(replicode(&["run"]).arg(module(d, "empty.wasm", b"")?), 1, &["empty.wasm"])?;
    let good = fs::read(guest("hello"))?;
    refused(replicode(&["run"]).arg(module(d, "cut.wasm", &good[..good.len() / 2])?), 1, &["cut.wasm"])?;
    // (module): neither _start nor memory.
    refused(replicode(&["run"]).arg(module(d, "bare.wasm", b"\0asm\x01\0\0\0")?), 1, &["bare.wasm", "_start"])?;
    // (import "env" "fork" (func)): an import that nobody serves.
    let unknown = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0c\x01\x03env\x04fork\0\0";
    refused(replicode(&["run"]).arg(module(d, "unknown.wasm", unknown)?), 1, &["env", "fork"])?;
    refused(replicode(&["run"]).arg(guest("kv")).args(["--limit", "module_bytes=1000"]), 1, &["module_bytes", "1000"])?;
    refused(replicode(&["run"]).arg(guest("kv")).args(["--limit", "descriptors=1"]), 2, &["descriptors"])?;
    refused(replicode(&["run"]).arg(guest("kv")).args(["--limit", "nonsense=1"]), 2, &["nonsense"])
}

#[test]
fn ports_in_use_and_directories_that_cannot_be_imported_are_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let publish = format!("{port}:6379");
    refused(
        replicode(&["run"]).arg(guest("kv")).args(["--publish", &publish, "--data"]).arg(dir.path().join("d")),
        1,
        &[&port.to_string(), "in use"],
    )?;
    refused(replicode(&["run"]).arg(guest("hello")).args(["--dir", "/no/such/dir:/x"]), 1, &["/no/such/dir"])?;
    let with_fifo = dir.path().join("with-fifo");
    fs::create_dir(&with_fifo)?;
    nix::unistd::mkfifo(&with_fifo.join("pipe"), Mode::S_IRWXU)?;
    refused(
        replicode(&["run"]).arg(guest("hello")).args(["--dir", &format!("{}:/x", with_fifo.display())]),
        1,
        &["pipe"],
    )
}

#[test]
fn wrong_configuration_keys_and_broken_files_are_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    cluster.stop()?;
    let node = cluster.dir(1);
    let config = fs::read_to_string(node.join("node.toml"))?;
    fs::write(node.join("node.toml"), format!("no_such_key = 1\n{config}"))?;
    refused(replicode(&["node", "--data"]).arg(&node), 1, &["no_such_key", "node.toml"])?;
    fs::write(node.join("node.toml"), "this is not toml [")?;
    refused(replicode(&["node", "--data"]).arg(&node), 1, &["node.toml"])?;
    fs::write(node.join("node.toml"), &config)?;
    let genesis = fs::read(node.join("genesis.bin"))?;
    fs::write(node.join("genesis.bin"), &genesis[..genesis.len() - 3])?;
    refused(replicode(&["node", "--data"]).arg(&node), 1, &["genesis.bin"])?;
    fs::write(node.join("genesis.bin"), &genesis)?;
    refused(replicode(&["node", "--data"]).arg(dir.path().join("nowhere")), 1, &["nowhere"])?;
    refused(replicode(&["status", "--admin"]).arg(&node), 1, &["node-1"])?;
    refused(replicode(&["replay"]).arg(dir.path().join("nowhere")), 1, &["nowhere"])
}

#[test]
fn a_peer_with_the_wrong_certificate_is_kept_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let mut stranger = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("s"), &[])?;
    stranger.stop()?;
    cluster.kill(3)?;
    // Node 3 comes back with the keys of another cluster.
    let (own, foreign) = (cluster.dir(3).join("keys"), stranger.dir(3).join("keys"));
    for entry in fs::read_dir(&foreign)? {
        let name = entry?.file_name();
        if own.join(&name).exists() {
            fs::copy(foreign.join(&name), own.join(&name))?;
        }
    }
    cluster.revive(3)?;
    for _ in 0..20 {
        ping(cluster.port(1))?;
        ping(cluster.port(2))?;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(ping(cluster.port(3)).is_err(), "a node that nobody trusts must not serve");
    Ok(())
}

#[test]
fn garbage_on_every_port_disturbs_nobody() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let mut noise = 1u64;
    let mut garbage = |len: usize| -> Vec<u8> {
        (0..len)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            })
            .collect()
    };
    let udp = UdpSocket::bind("127.0.0.1:0")?;
    for round in 0..200 {
        for node in 1..=3 {
            let status = cluster.status_address(node)?;
            udp.send_to(&garbage(1200), status)?;
            if round % 10 == 0 {
                let mut tcp = TcpStream::connect(("127.0.0.1", cluster.port(node)))?;
                let _ = tcp.write_all(&garbage(3000));
                let mut admin = UnixStream::connect(cluster.dir(node).join("admin.sock"))?;
                let _ = admin.write_all(&garbage(3000));
                let _ = admin.write_all(b"\n{\"no\": \"such request\"}\n");
            }
        }
    }
    for node in 1..=3 {
        ping(cluster.port(node))?;
    }
    cluster.await_agreement(Duration::from_secs(20))?;
    cluster.stop()
}

#[test]
fn a_refused_connection_is_reset_and_leaves_no_trace() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // The guest listens on 6379, but the port published leads to 1234 where nobody listens.
    let port = free_ports(1);
    let publish = format!("{port}:1234");
    let server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("d"), &["--publish", &publish])?;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let end = std::io::Read::read(&mut stream, &mut [0]);
        assert!(end.is_err(), "a refused connection must be reset, not {end:?}");
    }
    ping(server.port)
}
