//! What clients see of a program's sockets: how connections end, compared with the same program run natively; clients that
//! vanish; a burst of clients; as many as there are descriptors for.

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use replicode_tests::cluster::{json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, free_ports, guest, root};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The rest of a request, of which most ways of ending read nothing.
const REST: usize = 1000;
const LONG: usize = 1 << 20;

/// The ways in which `endings` ends a connection, by their letter: what its client does, and what it must see. `Lossy`
/// marks those where Linux throws away what has not left its own buffers yet, so that a native client may see less.
const ENDINGS: [(char, Client, usize, End); 16] = [
    ('a', Client::Waits, 12, End::Eof),
    ('b', Client::Waits, 12, End::Reset),
    ('c', Client::Waits, LONG, End::LossyReset),
    ('d', Client::Waits, 12, End::Eof),
    ('e', Client::Waits, LONG, End::LossyEof),
    ('f', Client::Waits, LONG, End::Eof),
    ('g', Client::Waits, 0, End::Reset),
    ('h', Client::Waits, 0, End::Eof),
    ('i', Client::SendsOn, 12, End::Eof),
    ('j', Client::EndsLate, 12, End::Eof),
    ('k', Client::Waits, 12, End::Reset),
    ('l', Client::EndsFirst, 12, End::Eof),
    ('b', Client::EndsFirst, 12, End::Reset),
    // These end the program.
    ('n', Client::Waits, 12, End::Reset),
    ('o', Client::Waits, LONG, End::LossyReset),
    ('p', Client::Waits, LONG, End::LossyReset),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    /// Reads to the end.
    Waits,
    /// Ends its stream with the request.
    EndsFirst,
    /// Sends more when it has seen the end, and then ends its own stream.
    EndsLate,
    /// Sends more when it has seen the end, until it is told that nobody reads it.
    SendsOn,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Eof,
    Reset,
    LossyEof,
    LossyReset,
}

/// What a client saw.
#[derive(Debug, PartialEq)]
struct Seen {
    bytes: usize,
    end: End,
    /// What became of sending on.
    sent: Option<bool>,
}

fn see(port: u16, way: char, client: Client) -> Result<Seen> {
    let mut stream = connect(port)?;
    let mut request = vec![b'.'; 1 + REST];
    request[0] = way as u8;
    stream.write_all(&request)?;
    if client == Client::EndsFirst {
        // It may have been reset already.
        let _ = stream.shutdown(Shutdown::Write);
    }
    // Let everything come, the reset included: it must not take the answer along.
    std::thread::sleep(Duration::from_millis(20));
    let mut answer = Vec::new();
    let end = match stream.read_to_end(&mut answer).map_err(|error| error.kind()) {
        Ok(_) => End::Eof,
        Err(ErrorKind::ConnectionReset) => End::Reset,
        Err(other) => anyhow::bail!("'{way}' ended with {other:?} after {} bytes", answer.len()),
    };
    ensure!(answer.iter().zip(0..).all(|(byte, i)| *byte == b'a' + (i % 23) as u8), "'{way}': other bytes");
    let sent = match client {
        Client::Waits | Client::EndsFirst => None,
        Client::EndsLate => {
            let sent = (0..3).all(|_| stream.write_all(&[b'.'; 1000]).is_ok());
            std::thread::sleep(Duration::from_millis(50));
            Some(sent && stream.write_all(b".").is_ok())
        }
        Client::SendsOn => {
            let start = Instant::now();
            let mut goes = true;
            while goes && start.elapsed() < Duration::from_secs(3) {
                goes = stream.write_all(&[b'.'; 1000]).is_ok();
                std::thread::sleep(Duration::from_millis(1));
            }
            Some(goes)
        }
    };
    Ok(Seen { bytes: answer.len(), end, sent })
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// `endings`, natively or in a cell.
struct Endings {
    process: Process,
    port: u16,
    waiting: u16,
}

impl Endings {
    fn native(dir: &Path) -> Result<Self> {
        let program = dir.join("endings");
        if !program.exists() {
            let source = root().join("wasm_programs/endings");
            let mut compile = Command::new("cc");
            compile.args(["-std=gnu11", "-O1", "-o"]).arg(&program);
            compile.args(["endings.c", "begin.c"].map(|file| source.join(file)));
            let output = run(&mut compile, b"", Duration::from_secs(60))?;
            ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        }
        let port = free_ports(2);
        let mut command = Command::new(program);
        command.args([port, port + 1].map(|port| port.to_string()));
        Self::await_ready(Process::start(&mut command, &dir.join("native.log"))?, port)
    }

    fn in_cell(dir: &Path, extra: &[&str]) -> Result<Self> {
        let port = free_ports(2);
        let data = dir.join(format!("cell-{port}"));
        let mut command = replicode(&["run"]);
        command.arg(guest("endings")).args(["--publish", &format!("{port}:7")]);
        command.args(["--publish", &format!("{}:8", port + 1), "--data"]).arg(data).args(extra);
        command.args(["--", "7", "8"]);
        Self::await_ready(Process::start(&mut command, &dir.join("cell.log"))?, port)
    }

    fn await_ready(process: Process, port: u16) -> Result<Self> {
        eventually("endings to serve", Duration::from_secs(60), || {
            check(process.output().contains("ready"), || process.output())?;
            connect(port)
        })?;
        Ok(Self { process, port, waiting: port + 1 })
    }
}

#[test]
fn connections_end_as_they_do_natively() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut servers = [Endings::native(dir.path())?, Endings::in_cell(dir.path(), &[])?];
    for (way, client, bytes, end) in ENDINGS {
        let name = format!("way '{way}', {client:?}");
        let [native, cell] = &servers;
        let native = see(native.port, way, client).with_context(|| format!("{name}, natively"))?;
        let cell = see(cell.port, way, client).with_context(|| format!("{name}, in a cell"))?;
        let lossy = matches!(end, End::LossyEof | End::LossyReset);
        let end = match end {
            End::LossyEof => End::Eof,
            End::LossyReset => End::Reset,
            end => end,
        };
        let sent = match client {
            Client::Waits | Client::EndsFirst => None,
            Client::EndsLate => Some(true),
            Client::SendsOn => Some(false),
        };
        assert_eq!(cell, Seen { bytes, end, sent }, "{name}, in a cell");
        if lossy {
            assert!(native.bytes <= bytes, "{name}, natively: {native:?}");
        } else {
            assert_eq!(native, cell, "{name}");
        }
        if ['n', 'o', 'p'].contains(&way) {
            let codes = servers.each_mut().map(|it| it.process.wait(Duration::from_secs(20)));
            let [native, cell] = codes.map(|status| status.map(|status| status.code()));
            assert_eq!((native?, cell?), if way == 'p' { (None, Some(134)) } else { (Some(7), Some(7)) }, "{name}");
            if way != 'p' {
                servers = [Endings::native(dir.path())?, Endings::in_cell(dir.path(), &[])?];
            }
        }
    }
    Ok(())
}

#[test]
fn bytes_that_nobody_can_read_stay_out_of_the_log() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cell = Endings::in_cell(dir.path(), &[])?;
    let data = dir.path().join(format!("cell-{}", cell.port));
    let inputs = || -> Result<u64> {
        json(&["status", "--admin", &data.to_string_lossy()])?["inputs"].as_u64().context("no inputs")
    };
    see(cell.port, 'i', Client::Waits)?;
    let before = inputs()?;
    for _ in 0..5 {
        assert_eq!(see(cell.port, 'i', Client::SendsOn)?, Seen { bytes: 12, end: End::Eof, sent: Some(false) });
    }
    // A connection, a request, perhaps in two pieces, and the reset; whatever else was sent.
    let told = inputs()? - before;
    assert!(told <= 5 * 5, "{told} inputs for five connections");
    Ok(())
}

#[test]
fn a_short_backlog_turns_nobody_away() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cell = Endings::in_cell(dir.path(), &[])?;
    let clients: Vec<_> = (0..20).map(|_| connect(cell.waiting)).collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(see(cell.port, 'q', Client::Waits)?.end, End::Reset);
    for mut client in clients {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer)?;
        assert_eq!(answer.len(), 12);
    }
    Ok(())
}

#[test]
fn those_who_wait_for_a_listener_that_is_closed_are_reset() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for server in [Endings::native(dir.path())?, Endings::in_cell(dir.path(), &[])?] {
        let mut waits = connect(server.waiting)?;
        std::thread::sleep(Duration::from_millis(100));
        see(server.port, 'm', Client::Waits)?;
        let end = waits.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
    }
    Ok(())
}

/// Lets a client vanish: no FIN and no RST, as from a host without power. Needs CAP_NET_ADMIN; `false` without.
fn vanish(stream: TcpStream) -> bool {
    // A socket under repair (tcp(7)) is closed without a word.
    setsockopt(&stream, sockopt::TcpRepair, &1).is_ok()
}

#[test]
fn clients_whose_host_has_vanished_make_room_for_others() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cell = Endings::in_cell(dir.path(), &["--limit", "connections=10"])?;
    let data = dir.path().join(format!("cell-{}", cell.port));
    let connections = || -> Result<usize> {
        let rows = json(&["nat", "--admin", &data.to_string_lossy()])?;
        Ok(rows.as_array().context("rows")?.iter().filter(|row| !row["conn"].is_null()).count())
    };
    // The program asks for keepalive after a second, and once more: sooner than the node would. Our host is there, and
    // answers the question with a reset; one that is gone would be given up after half a minute.
    for _ in 0..2 {
        let mut stream = connect(cell.port)?;
        stream.write_all(b"r")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).context("the options are refused")?;
        // The server serves one client until that ends, so each is gone before the next one comes.
        if !vanish(stream) {
            eprintln!("left out: only a privileged process can make a client vanish");
            let root = nix::unistd::geteuid().is_root();
            check(!root || std::env::var_os("CI").is_none(), || "where root tests, it is not left out".into())?;
            return Ok(());
        }
        eventually("the vanished client to be noticed", Duration::from_secs(10), || {
            let held = connections()?;
            check(held == 0, || format!("{held} connections"))
        })?;
    }
    assert_eq!(see(cell.port, 'b', Client::Waits)?.bytes, 12);
    Ok(())
}

/// Many connections at once, as far as descriptors permit, all of them served: 6,000, or `REPLICODE_CONNECTIONS`.
#[test]
fn a_program_serves_thousands_of_clients_at_once() -> Result<()> {
    let wanted = match std::env::var("REPLICODE_CONNECTIONS") {
        Ok(text) => text.parse::<usize>().context("REPLICODE_CONNECTIONS is not a number")?.min(60_000),
        Err(_) => 6_000,
    };
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = usize::try_from(soft).unwrap_or(usize::MAX).saturating_sub(500).min(wanted);
    // Three ports, since one leads to about 28,000 connections.
    let dir = tempfile::tempdir()?;
    let ports = free_ports(3);
    let data = dir.path().join("many");
    let mut command = replicode(&["run"]);
    command.arg(guest("kv"));
    for port in ports..ports + 3 {
        command.args(["--publish", &format!("{port}:6379")]);
    }
    for limit in ["connections=60000", "descriptors=65536", "subscriptions=65536"] {
        command.args(["--limit", limit]);
    }
    command.arg("--data").arg(&data);
    let server = Process::start(&mut command, &dir.path().join("many.log"))?;
    eventually("kv to serve", Duration::from_secs(60), || replicode_tests::cluster::ping(ports))
        .with_context(|| server.output())?;
    let start = Instant::now();
    let mut clients = Vec::with_capacity(most);
    let mut answer = [0; 7];
    // Not more at a time than the program's backlog holds: they may all come in one batch.
    while clients.len() < most {
        let known = clients.len();
        for i in known..most.min(known + 500) {
            let mut client = connect(ports + (i / 20_000) as u16)?;
            client.write_all(b"PING\r\n")?;
            clients.push(client);
        }
        for (i, client) in (known..).zip(&mut clients[known..]) {
            client.read_exact(&mut answer).with_context(|| format!("client {i} of {most}"))?;
            assert_eq!(&answer, b"+PONG\r\n");
        }
    }
    // All of them are there still.
    for client in clients.iter_mut().step_by(most / 20 + 1) {
        client.write_all(b"PING\r\n")?;
        client.read_exact(&mut answer)?;
        assert_eq!(&answer, b"+PONG\r\n");
    }
    eprintln!("{most} clients in {:?}", start.elapsed());
    Ok(())
}
