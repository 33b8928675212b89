//! The acceptor's loop.

use crate::links::{INTAKE, Links, earlier, network_figures, open_storage};
use crate::ports::{AcceptorCore, Host, Level, Network, Outcome, Storage, acceptor};
use paxos_bindings::fault;
use paxos_bindings::wit::agent_types::{Letter, Turned};
use paxos_bindings::wit::core_types::Sending;
use paxos_bindings::wit::settings::Settings;
use paxos_bindings::wit::types::{FaultKind, Role};

/// Slots and bytes that an acceptor remembers at most; its learner's snapshots keep it far below.
const LOG_SLOTS: u64 = 1 << 20;
const LOG_BYTES: u64 = 1 << 30;

/// An acceptor at work.
pub struct AcceptorAgent<P> {
    ports: P,
    links: Links,
    /// The last record that was handed to the storage, and the last that it said is durable.
    appended: u64,
    durable: u64,
    /// The core has seen `durable`.
    told: u64,
    /// When something was appended last, and whether the storage was told since that it is quiet.
    wrote: u64,
    quiet: bool,
    /// How long it takes to be quiet.
    pause: u64,
    /// The core's log of accepted values has no room.
    full: bool,
}

impl<P: AcceptorCore + Host + Network + Storage> AcceptorAgent<P> {
    /// Opens, recovers, listens.
    pub fn start(mut ports: P, settings: &Settings) -> Outcome<Self> {
        let nodes: Vec<u16> = settings.nodes.iter().map(|node| node.node).collect();
        let opened = open_storage(&mut ports, settings, Role::Acceptor, P::recover, |ports, opened| {
            ports.configure(&acceptor::Config {
                node: settings.node,
                nodes,
                incarnation: opened.incarnation,
                heartbeat: settings.timeouts.heartbeat,
                register_every: settings.timeouts.retransmit,
                log_slots: LOG_SLOTS,
                log_bytes: LOG_BYTES,
            })
        })?;
        let links = Links::start(&mut ports, settings, Role::Acceptor, opened.incarnation)?;
        let appended = opened.next - 1;
        let pause = settings.timeouts.heartbeat;
        Ok(AcceptorAgent {
            ports,
            links,
            appended,
            durable: appended,
            told: 0,
            wrote: 0,
            quiet: true,
            pause,
            full: false,
        })
    }

    /// One turn: messages in, one step, records out, answers out.
    pub fn turn(&mut self, now: u64, letters: Vec<Letter>) -> Outcome<Turned> {
        let (mut mail, more) = self.links.intake(&mut self.ports, now, letters, INTAKE);
        self.look()?;
        let mut sends: Vec<Sending> = Vec::new();
        let mut deadline = None;
        // A storage that syncs at once makes a second step useful: what was just accepted is answered in the same turn.
        for _ in 0..3 {
            let inputs = acceptor::Inputs { mail: std::mem::take(&mut mail), durable: self.durable };
            self.told = self.durable;
            let outputs = self.ports.step(now, &inputs)?;
            deadline = outputs.deadline;
            self.note_full(outputs.full);
            sends.extend(outputs.send);
            if let Some(why) = outputs.stop {
                return Err(fault(FaultKind::Refused, why));
            }
            if !outputs.append.is_empty() {
                self.links.crash_point(&mut self.ports, "acceptor-before-append");
                self.appended = self.ports.append(&outputs.append)?;
                (self.wrote, self.quiet) = (now, false);
                self.links.crash_point(&mut self.ports, "acceptor-before-flush");
                self.ports.flush()?;
                self.links.crash_point(&mut self.ports, "acceptor-after-flush");
            }
            if outputs.truncate > 0 {
                self.ports.truncate(outputs.truncate)?;
            }
            self.look()?;
            if self.told == self.durable {
                break;
            }
        }
        if !self.quiet && self.durable == self.appended && now.saturating_sub(self.wrote) >= self.pause {
            self.quiet = true;
            self.ports.flush()?;
        }
        self.links.crash_point(&mut self.ports, "acceptor-before-send");
        self.links.dispatch(&mut self.ports, sends);
        let local = self.links.pump(&mut self.ports, now);
        Ok(Turned {
            deadline: earlier(deadline, self.links.deadline()),
            more: more || self.told != self.durable,
            local,
        })
    }

    fn note_full(&mut self, full: bool) {
        if full == self.full {
            return;
        }
        self.full = full;
        if full {
            let (slots, mib) = (LOG_SLOTS, LOG_BYTES >> 20);
            let text = format!(
                "the log of accepted values is full ({slots} slots or {mib} MiB fit): nothing is accepted here before this node's learner \
                 has saved a snapshot"
            );
            self.ports.log(Level::Warn, &text);
        } else {
            self.ports.log(Level::Info, "the log of accepted values has room again");
        }
    }

    /// Asks the storage how far it is, if it may be further.
    fn look(&mut self) -> Outcome<()> {
        if self.durable < self.appended {
            self.durable = self.ports.durable()?.position;
        }
        Ok(())
    }

    /// For the table of `status`.
    pub fn metrics(&mut self) -> Vec<(String, u64)> {
        let standing = self.ports.stand();
        let mut figures = vec![
            ("promised-node".into(), standing.promised.node.into()),
            ("first-slot".into(), standing.first),
            ("slot".into(), standing.end.saturating_sub(1)),
            ("ballot".into(), standing.promised.round),
            ("registered".into(), standing.registered.into()),
            ("appended".into(), self.appended),
            ("durable".into(), self.durable),
        ];
        figures.extend(network_figures(&mut self.ports, self.links.up().len()));
        figures
    }

    /// Syncs and ends.
    pub fn stop(&mut self) -> Outcome<()> {
        self.ports.close_network();
        self.ports.close()
    }
}
