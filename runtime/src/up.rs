//! `replicode up`: a cluster on this machine, each node a process of its own.
//!
//! `up` is a parent and a looker-on, nothing more: nodes elect, replicate and recover among themselves. It starts
//! them, shows what their admin sockets say, reports who died, and takes those it started along when it ends. For that
//! each child holds the read end of a pipe as its standard input and stops when the other end closes, which happens
//! however `up` ends.

mod board;

use crate::args::{Publish, UpArgs, published_twice};
use crate::cell::{self, Files};
use crate::cluster::{self, Addresses};
use crate::datadir::{DataDir, Genesis};
use crate::making::Making;
use crate::node;
use crate::node::signals::{self, Hangup, Signals};
use crate::nodefile::{NodeFile, default_contracts};
use crate::telemetry::say;
use anyhow::{Context, Result, bail, ensure};
use board::{Board, News};
use replicode_log::NodeId;
use std::io::{BufRead, BufReader, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How often the picture is renewed.
const TICK: Duration = Duration::from_millis(250);
/// How long nodes may take to stop before they are killed: a little longer than they give themselves (nine seconds), and
/// within the ten seconds that are promised.
const PATIENCE: Duration = Duration::from_millis(9_500);
/// How long to wait for nodes that an earlier `up` has left behind, and that stop by themselves.
const STRAGGLERS: Duration = Duration::from_secs(3);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What reaches the main thread.
pub enum Event {
    /// A signal asks for the end.
    Stop,
    /// A node wrote a line to its standard error.
    Line(NodeId, String),
    /// A node's admin socket said something, or nothing.
    Seen(NodeId, Option<Box<crate::admin::Status>>),
}

struct Started {
    node: NodeId,
    child: Child,
    /// The last lines that it wrote.
    said: Vec<String>,
    ended: bool,
}

/// Runs the command until a signal comes.
///
/// # Errors
/// When the cluster cannot be made, or no node of it starts.
pub fn run(args: &UpArgs, json: bool) -> Result<u8> {
    let signals = Signals::catch(Hangup::Stops)?;
    let root = match &args.data {
        Some(dir) => dir.clone(),
        None => Path::new("replicode-data").join(format!("{}-up", cell::name(&args.cell)?)),
    };
    let nodes = cluster::numbers(args.nodes.into())?;
    let made = is_made(&root, &nodes);
    let genesis = cell::plan(&args.cell, nodes.clone(), false, Files::of(&root, made))?;
    // Refused modules are refused once, here, instead of by every node.
    node::compile(&genesis)?;
    signals.while_making(|| prepare(&root, &genesis, &nodes, args, made))?;
    if made {
        cell::say_whose_files(&args.cell, &root, json);
    }

    let (tx, events) = mpsc::channel();
    let mut started = Vec::new();
    for node in &nodes {
        started.push(start(&root, *node, &tx)?);
        watch(&root, *node, &tx)?;
    }
    let stop = tx;
    // A second signal while nodes are being stopped ends this process: their pipes close with it, so they still stop.
    signals.then(move |_| drop(stop.send(Event::Stop)));
    let board = Board::new(&genesis.config.name, &root, nodes, json, std::io::stdout().is_terminal());
    attend(started, &events, board)
}

/// The loop of the main thread.
fn attend(mut started: Vec<Started>, events: &Receiver<Event>, mut board: Board) -> Result<u8> {
    board.intro();
    let mut next_tick = Instant::now();
    loop {
        match events.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
            Ok(Event::Stop) => break,
            Ok(Event::Line(node, line)) => {
                if let Some(started) = started.iter_mut().find(|s| s.node == node) {
                    started.said.push(line.clone());
                    let extra = started.said.len().saturating_sub(20);
                    started.said.drain(..extra);
                }
                board.line(node, &line);
            }
            Ok(Event::Seen(node, status)) => {
                let child = started.iter().find(|s| s.node == node && !s.ended).map(|s| s.child.id());
                board.seen(node, child, status.map(|status| *status));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("all watching threads have ended"),
        }
        if Instant::now() < next_tick {
            continue;
        }
        next_tick = Instant::now() + TICK;
        for node in &mut started {
            if !node.ended
                && let Some(status) = node.child.try_wait().context("cannot ask for a node's state")?
            {
                node.ended = true;
                board.news(News::Died { node: node.node, how: status.to_string(), last: node.said.clone() });
            }
        }
        if started.iter().all(|node| node.ended) && !board.ever_served() {
            board.leave();
            bail!("no node could be started; the reasons stand above and in each node's node.log");
        }
        board.draw();
    }
    board.leave();
    finish(&mut started, &mut board)
}

/// Stops the nodes that `up` started. Exit code 1 when one had to be stopped the hard way, or when what was to be printed
/// could not be.
fn finish(started: &mut [Started], board: &mut Board) -> Result<u8> {
    for node in started.iter_mut() {
        // Closing the pipe is the word to stop.
        drop(node.child.stdin.take());
    }
    let end = Instant::now() + PATIENCE;
    let mut hard = false;
    for node in started.iter_mut() {
        loop {
            if let Some(status) = node.child.try_wait().context("cannot wait for a node")? {
                // What it said itself comes too late for the picture.
                if !node.ended && status.code().is_some_and(|code| code != 0) {
                    say(&format!(
                        "node {} was stopped the hard way ({status}); its node.log says why",
                        node.node.get()
                    ));
                    hard = true;
                }
                break;
            }
            if Instant::now() > end {
                say(&format!("node {} does not stop and is killed", node.node.get()));
                hard = true;
                node.child.kill().with_context(|| format!("cannot kill node {}", node.node.get()))?;
                node.child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    board.goodbye(&started.iter().map(|node| (node.node, node.child.id())).collect::<Vec<_>>());
    Ok(u8::from(hard || board.lost_output()))
}

/// Whether a cluster stands there.
fn is_made(root: &Path, nodes: &[NodeId]) -> bool {
    let there = nodes.iter().any(|node| DataDir::at(cluster::node_dir(root, *node)).exists());
    there && !Making::is_unfinished(root)
}

/// Makes the cluster's directories, or checks that those that are there hold what is asked for.
fn prepare(root: &Path, genesis: &Genesis, nodes: &[NodeId], args: &UpArgs, made: bool) -> Result<()> {
    let publish = |node: NodeId| -> Result<Vec<Publish>> {
        let number = u8::try_from(node.get()).context("too many nodes")?;
        let one = |publish: &Publish| {
            let listen = publish.listen_of_node(number, LOCAL).map_err(|why| anyhow::Error::from(crate::Usage(why)))?;
            Ok(Publish::resolved(listen, publish.service(&genesis.config.name)))
        };
        args.cell.publish.iter().map(one).collect()
    };
    let mut listens = Vec::new();
    for node in nodes {
        listens.extend(publish(*node)?.iter().map(Publish::listen));
    }
    if let Some(listen) = published_twice(&listens) {
        let why = "each next node takes the next port, so leave room between two published ports";
        return Err(crate::Usage(format!("--publish: {listen} is published twice: {why}")).into());
    }
    // Importing and compiling took a while.
    ensure!(
        made == is_made(root, nodes),
        "{} has been made or removed by another process just now: the same command again goes by what is there",
        root.display()
    );
    if !made {
        let ports = free_udp_ports(nodes.len())?;
        let mut addresses = Vec::new();
        // So that clients find a node again that has been started anew.
        let contracts = match &genesis.config.contracts {
            Some(_) => free_tcp_ports(nodes.len())?.into_iter().map(|port| (LOCAL, port).into()).collect(),
            None => vec![default_contracts(); nodes.len()],
        };
        for ((node, port), contracts) in nodes.iter().zip(ports).zip(contracts) {
            let listen = (LOCAL, port).into();
            addresses.push(Addresses { peer: format!("{LOCAL}:{port}"), listen, publish: publish(*node)?, contracts });
        }
        return cluster::create(root, genesis, &addresses)
            .with_context(|| format!("cannot make a cluster in {}", root.display()));
    }
    let mut first = None;
    for node in nodes {
        let dir = DataDir::at(cluster::node_dir(root, *node));
        ensure!(
            dir.exists(),
            "{} lacks the node in {}: put it back, or use another --data directory",
            root.display(),
            dir.root().display()
        );
        let config = dir.config()?;
        // Nodes that run already belong to somebody else; the lock is given back at once. Those of an `up` that was killed
        // a moment ago are about to stop.
        let until = Instant::now() + STRAGGLERS;
        while let Err(error) = dir.hold_still() {
            signals::interrupted()?;
            ensure!(Instant::now() < until, error);
            std::thread::sleep(TICK / 5);
        }
        cell::check_engine(&config)?;
        let mut differences = cell::differences_from(&dir, &args.cell, &genesis.config)?;
        let main = |config: &replicode_log::ClusterConfig| {
            config.program(&config.name).map(|p| (p.args.clone(), p.env.clone()))
        };
        if main(&config) != main(&genesis.config) {
            differences.push("arguments or environment of the program: not the recorded ones".to_string());
        }
        ensure!(
            differences.is_empty(),
            "{} holds another cluster:\n  {}\nuse what it was made with, or another --data directory",
            root.display(),
            differences.join("\n  ")
        );
        ensure!(
            *first.get_or_insert(config.digest()) == config.digest(),
            "the directories in {} belong to different clusters",
            root.display()
        );
        let path = dir.file("node.toml");
        let mut file = NodeFile::read(&path)?;
        let publish = publish(*node)?;
        if file.publish != publish {
            file.publish = publish;
            file.write(&path)?;
        }
    }
    Ok(())
}

/// Ports that are free now. They are recorded, and a node that later finds one taken names it.
fn free_udp_ports(count: usize) -> Result<Vec<u16>> {
    let bind = || UdpSocket::bind((LOCAL, 0)).context("cannot find free udp ports for the nodes");
    // All are held at once, so that no port is given twice.
    let sockets: Vec<UdpSocket> = (0..count).map(|_| bind()).collect::<Result<_>>()?;
    sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
}

/// The same for the ports on which contracts are served.
fn free_tcp_ports(count: usize) -> Result<Vec<u16>> {
    let bind = || TcpListener::bind((LOCAL, 0)).context("cannot find free tcp ports for contracts");
    let sockets: Vec<TcpListener> = (0..count).map(|_| bind()).collect::<Result<_>>()?;
    sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
}

fn start(root: &Path, node: NodeId, events: &Sender<Event>) -> Result<Started> {
    let program: PathBuf = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.arg("node").arg("--data").arg(cluster::node_dir(root, node)).arg("--until-stdin-closes");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // Ctrl-C on the terminal is for `up`, which then stops its nodes in order.
    command.process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start node {node}"))?;
    if let Some(stderr) = child.stderr.take() {
        let events = events.clone();
        std::thread::Builder::new().name(format!("lines of {node}")).spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(std::io::Result::ok) {
                if events.send(Event::Line(node, line)).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(Started { node, child, said: Vec::new(), ended: false })
}

/// Asks a node's admin socket for its status, again and again, whoever started it.
fn watch(root: &Path, node: NodeId, events: &Sender<Event>) -> Result<()> {
    let dir = cluster::node_dir(root, node);
    let events = events.clone();
    std::thread::Builder::new().name(format!("watch of {node}")).spawn(move || {
        loop {
            let status = board::look(&dir).map(Box::new);
            if events.send(Event::Seen(node, status)).is_err() {
                return;
            }
            std::thread::sleep(2 * TICK);
        }
    })?;
    Ok(())
}
