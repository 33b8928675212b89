//! `host-control`: what only the machine below can do.
//!
//! | file | idea |
//! |---|---|
//! | `board` | what `status` shows |
//! | `children` | the coordinator's processes |
//! | `stopping` | how a process is asked to stop |

pub mod board;
pub mod children;
pub mod stopping;

use crate::bell;
use crate::bindings::host_control::{Event, Level, Process as ProcessRecord};
use crate::bindings::settings::Settings;
use crate::bindings::types::{Durability, Fault, FaultKind, Role};
use crate::bindings::{agent_types, host_control, settings, types};
use crate::convert;
use crate::load::plan::Process;
use crate::log::Log;
use crate::state::State;
use board::Board;
use children::Children;
use paxos_config::Config;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;
use std::task::Context;
use std::time::Duration;
use stopping::Stopping;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

/// Before a process that ended is started again, in nanoseconds: at first, and at most.
const RESTART_WAITS: (u64, u64) = (50_000_000, 5_000_000_000);

/// Everything behind `host-control`.
pub struct Control {
    settings: Settings,
    log: Log,
    board: Board,
    stopping: Stopping,
    crash: Vec<CrashPoint>,
    children: Children,
    /// How to start the processes of this node.
    family: Family,
    /// Somebody reads our standard output: the coordinator.
    reporting: bool,
}

/// Where to crash: at the `left`-th passing of `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashPoint {
    name: String,
    left: u64,
}

/// What the coordinator needs to start the node's processes.
#[derive(Debug, Clone)]
pub struct Family {
    /// This program.
    pub program: PathBuf,
    /// The configuration's file.
    pub config: PathBuf,
    /// Which node.
    pub node: u16,
    /// Which processes.
    pub processes: Vec<Process>,
    /// Crash points, for the first start of each process: `acceptor/append:3`.
    pub crash: Vec<String>,
}

impl CrashPoint {
    /// Reads `name` or `name:3`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, left) = text.split_once(':').unwrap_or((text, "1"));
        match left.parse() {
            Ok(left) if left > 0 && !name.is_empty() => Ok(Self { name: name.to_owned(), left }),
            _ => Err(format!("`{text}` is no crash point: a name, or a name, `:` and the how-manieth passing from 1")),
        }
    }
}

/// How a process is set up.
pub struct Setup<'a> {
    /// What the file says.
    pub config: &'a Config,
    /// Which node.
    pub node: u16,
    /// Which process.
    pub process: Process,
    /// What the storage is to be given as its folder.
    pub data_dir: String,
    /// Where to crash.
    pub crash: Vec<CrashPoint>,
    /// The coordinator reads our standard output.
    pub reporting: bool,
    /// How to start others.
    pub family: Family,
    /// Where lines go.
    pub log: Log,
    /// What `status` shows.
    pub board: Board,
    /// Whether to stop.
    pub stopping: Stopping,
}

impl Control {
    /// Of one process.
    pub fn new(setup: Setup<'_>) -> Self {
        let settings = settings_of(&setup);
        let Setup { crash, reporting, family, log, board, stopping, .. } = setup;
        Self { settings, log, board, stopping, crash, children: Children::default(), family, reporting }
    }

    /// How long another node's system may be silent before a connection to it is given up: its node is suspected then.
    pub fn patience(&self) -> Duration {
        Duration::from_nanos(self.settings.timeouts.suspect.saturating_mul(2)).max(Duration::from_secs(1))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The configuration in the components' words.
fn settings_of(setup: &Setup<'_>) -> Settings {
    let Config { batching, timeouts, limits, .. } = setup.config;
    let address = |node: &paxos_config::Node| settings::NodeAddresses {
        node: node.id,
        proposer: node.proposer.to_string(),
        acceptor: node.acceptor.to_string(),
        learner: node.learner.to_string(),
        client: node.client.to_string(),
    };
    Settings {
        cluster: setup.config.cluster.clone(),
        node: setup.node,
        roles: setup.process.roles().into_iter().map(convert::role_in).collect(),
        nodes: setup.config.nodes.iter().map(address).collect(),
        batching: settings::Batching {
            max_commands: batching.max_commands,
            max_bytes: narrow(batching.max_bytes),
            max_delay: nanos(batching.max_delay),
        },
        window: setup.config.window,
        timeouts: settings::Timeouts {
            heartbeat: nanos(timeouts.heartbeat),
            suspect: nanos(timeouts.suspect),
            phase: nanos(timeouts.phase),
            retransmit: nanos(timeouts.retransmit),
        },
        durability: match setup.config.durability {
            paxos_config::Durability::Sync => Durability::Sync,
            paxos_config::Durability::Memory => Durability::Memory,
        },
        snapshot_every: setup.config.snapshot_every,
        limits: settings::Limits {
            key_bytes: narrow(limits.key),
            value_bytes: narrow(limits.value),
            sessions: limits.sessions,
            connections: limits.connections,
            queue_bytes: narrow(limits.queue),
            frame_bytes: narrow(paxos_types::Limits::MAX_FRAME as u64),
        },
        serializer: setup.config.serializer.word().to_owned(),
        data_dir: setup.data_dir.clone(),
        // The standard library seeds its hash maps from the system.
        seed: std::collections::hash_map::RandomState::new().build_hasher().finish(),
    }
}

impl types::Host for State {}
impl settings::Host for State {}
impl agent_types::Host for State {}

impl host_control::Host for State {
    fn get_settings(&mut self) -> wasmtime::Result<Settings> {
        Ok(self.control.settings.clone())
    }

    fn log(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Error => paxos_config::Level::Error,
            Level::Warn => paxos_config::Level::Warn,
            Level::Info => paxos_config::Level::Info,
            Level::Debug => paxos_config::Level::Debug,
        };
        self.control.log.write(level, &text);
        Ok(())
    }

    fn ready(&mut self, role: Role) -> wasmtime::Result<()> {
        let all = self.control.board.ready(convert::role_name(role));
        if all && self.control.reporting {
            children::report_ready();
        }
        Ok(())
    }

    fn metrics(&mut self, role: Role, figures: Vec<(String, u64)>) -> wasmtime::Result<()> {
        self.control.board.figures(convert::role_name(role), figures);
        Ok(())
    }

    fn stopping(&mut self) -> wasmtime::Result<bool> {
        Ok(self.control.stopping.asked())
    }

    fn stop_pollable(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let stopping = self.control.stopping.clone();
        let waiter = stopping.bell().waiter();
        bell::pollable(&mut self.table, move |cx: &mut Context<'_>| {
            waiter.wake_at_next(cx);
            stopping.asked()
        })
    }

    fn crash_point(&mut self, name: String) -> wasmtime::Result<()> {
        for point in &mut self.control.crash {
            if point.name == name && point.left > 0 {
                point.left -= 1;
                if point.left == 0 {
                    self.control.log.write(paxos_config::Level::Warn, &format!("crashes at {name}, as it was told to"));
                    stopping::die();
                }
            }
        }
        Ok(())
    }

    fn crash_points(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.control.crash.iter().map(|point| point.name.clone()).collect())
    }

    fn processes(&mut self) -> wasmtime::Result<Vec<ProcessRecord>> {
        let record = |process: &Process| ProcessRecord {
            name: process.name().to_owned(),
            roles: process.roles().into_iter().map(convert::role_in).collect(),
        };
        Ok(self.control.family.processes.iter().map(record).collect())
    }

    fn restart_waits(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(RESTART_WAITS)
    }

    fn spawn(&mut self, process: String) -> wasmtime::Result<Result<(), Fault>> {
        let family = &mut self.control.family;
        if !family.processes.iter().any(|known| known.name() == process) {
            let text = format!("there is no process `{process}` of this node to start");
            return Ok(Err(Fault { kind: FaultKind::Contract, text }));
        }
        let mut command = Command::new(&family.program);
        command.args(["run", "--child", "--node", &family.node.to_string(), "--process", &process]);
        // A crash that happened has happened: the second start is without.
        let prefix = format!("{process}/");
        let (mine, others) = std::mem::take(&mut family.crash).into_iter().partition(|at| at.starts_with(&prefix));
        family.crash = others;
        for at in mine {
            command.args(["--crash-at", at.strip_prefix(&prefix).unwrap_or(&at)]);
        }
        command.arg(&family.config);
        Ok(self.control.children.spawn(&process, command))
    }

    fn stop(&mut self, process: String) -> wasmtime::Result<Result<(), Fault>> {
        self.control.children.stop(&process);
        Ok(Ok(()))
    }

    fn watch(&mut self) -> wasmtime::Result<Vec<Event>> {
        Ok(self.control.children.events())
    }

    fn watch_pollable(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let children = self.control.children.clone();
        let waiter = children.bell.waiter();
        bell::pollable(&mut self.table, move |cx: &mut Context<'_>| {
            waiter.wake_at_next(cx);
            children.has_events()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_points_are_read() {
        assert_eq!(CrashPoint::parse("append"), Ok(CrashPoint { name: "append".into(), left: 1 }));
        assert_eq!(CrashPoint::parse("append:7"), Ok(CrashPoint { name: "append".into(), left: 7 }));
        for wrong in ["", ":1", "append:0", "append:x"] {
            assert!(CrashPoint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
