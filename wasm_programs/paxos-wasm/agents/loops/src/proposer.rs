//! The proposer's loop, with the two detectors and the clients.

use crate::links::{INTAKE, Links, earlier, network_figures, network_limits, open_storage, own_addresses};
use crate::ports::{Clients, Detectors, Host, Level, Network, Outcome, ProposerCore, Storage};
use crate::ports::{client_server, failure_detector, leader_detector, proposer};
use paxos_bindings::wit::agent_types::{Letter, Turned};
use paxos_bindings::wit::core_types::{Mail, Sending};
use paxos_bindings::wit::messages::Message;
use paxos_bindings::wit::settings::Settings;
use paxos_bindings::wit::types::Role;

/// The own acceptor and learner may be silent for so many times as long as other nodes. One that has ended is started again by the
/// coordinator and heard of soon; one that is silent for longer is busy, a learner with the snapshot of a large state. A leadership given up
/// for that would be taken by a node that is about to make the same pause.
const OWN_SILENCE: u64 = 4;

/// A proposer at work.
pub struct ProposerAgent<P> {
    ports: P,
    links: Links,
    node: u16,
    appended: u64,
    durable: u64,
    told: u64,
    /// Commands are wanted; otherwise clients are held back.
    accepting: bool,
    /// What the leader detector said last.
    leadership: proposer::Leadership,
    /// What the core has not been told yet.
    untold: Option<proposer::Leadership>,
    /// When the failure detector wants to be asked again.
    suspicion: Option<u64>,
    fit: bool,
    /// When something was appended last, and whether the storage was told since that it is quiet.
    wrote: u64,
    quiet: bool,
    /// How long it takes to be quiet.
    pause: u64,
}

impl<P: ProposerCore + Detectors + Clients + Host + Network + Storage> ProposerAgent<P> {
    /// Opens, recovers, listens to peers and clients.
    pub fn start(mut ports: P, settings: &Settings, now: u64) -> Outcome<Self> {
        let nodes: Vec<u16> = settings.nodes.iter().map(|node| node.node).collect();
        let timeouts = settings.timeouts;
        let config = proposer::Config {
            node: settings.node,
            nodes: nodes.clone(),
            key_bytes: settings.limits.key_bytes,
            value_bytes: settings.limits.value_bytes,
            max_commands: settings.batching.max_commands,
            max_bytes: settings.batching.max_bytes,
            max_delay: settings.batching.max_delay,
            window: settings.window,
            pending_bytes: settings.limits.queue_bytes.into(),
            heartbeat: timeouts.heartbeat,
            silent: timeouts.suspect.saturating_mul(OWN_SILENCE),
            suspect: timeouts.suspect,
            life: settings.seed,
            phase: timeouts.phase,
            retransmit: timeouts.retransmit,
        };
        let opened = open_storage(&mut ports, settings, Role::Proposer, P::recover, |ports, _| {
            ProposerCore::configure(ports, &config)
        })?;
        let peers = nodes.iter().copied().filter(|node| *node != settings.node).collect();
        ports.configure_failures(&failure_detector::Config { peers, suspect: timeouts.suspect }, now)?;
        ports.configure_leader(&leader_detector::Config { node: settings.node, nodes })?;
        let links = Links::start(&mut ports, settings, Role::Proposer, opened.incarnation)?;
        ports.listen_clients(&own_addresses(settings)?.client, &settings.cluster, network_limits(settings))?;
        let appended = opened.next - 1;
        Ok(ProposerAgent {
            ports,
            links,
            node: settings.node,
            appended,
            durable: appended,
            told: 0,
            accepting: true,
            leadership: proposer::Leadership { leader: None, follows: None, majority: false },
            untold: None,
            suspicion: Some(now),
            fit: false,
            wrote: 0,
            quiet: true,
            pause: timeouts.heartbeat,
        })
    }

    /// One turn: messages and commands in, one step or a few, records, messages and answers out.
    pub fn turn(&mut self, now: u64, letters: Vec<Letter>) -> Outcome<Turned> {
        let (mail, more_mail) = self.links.intake(&mut self.ports, now, letters, INTAKE);
        let asked = self.ports.requests(now, if self.accepting { INTAKE } else { 0 });
        for note in asked.notes {
            self.ports.log(Level::Info, &note);
        }
        let submissions = asked.requests.into_iter();
        let submissions: Vec<_> =
            submissions.map(|r| proposer::Submission { connection: r.connection, commands: r.commands }).collect();
        self.look()?;
        let untold = self.untold.take();
        let leadership = self.detect(now, &mail).or(untold);
        let mut inputs =
            proposer::Inputs { mail, submissions, all_read: !asked.more, leadership, durable: self.durable };
        let mut sends: Vec<Sending> = Vec::new();
        let mut answers: Vec<client_server::Answer> = Vec::new();
        let mut deadline = None;
        // Further steps: for a leadership that follows from the step itself, and for what was synced at once.
        for _ in 0..4 {
            self.told = self.durable;
            self.untold = None;
            let outputs = ProposerCore::step(&mut self.ports, now, &inputs)?;
            deadline = outputs.deadline;
            self.accepting = outputs.accepting;
            sends.extend(outputs.send);
            let replies = outputs.answers.into_iter();
            answers.extend(replies.map(|a| client_server::Answer { connection: a.connection, frame: a.frame }));
            if !outputs.append.is_empty() {
                self.links.crash_point(&mut self.ports, "proposer-before-append");
                self.appended = self.ports.append(&outputs.append)?;
                (self.wrote, self.quiet) = (now, false);
                self.ports.flush()?;
                self.links.crash_point(&mut self.ports, "proposer-after-flush");
            }
            if outputs.truncate > 0 {
                self.ports.truncate(outputs.truncate)?;
            }
            let leadership = outputs.claim.and_then(|claim| self.own(claim));
            self.look()?;
            if leadership.is_none() && self.told == self.durable {
                break;
            }
            inputs = proposer::Inputs {
                mail: Vec::new(),
                submissions: Vec::new(),
                all_read: !asked.more,
                leadership,
                durable: self.durable,
            };
            self.untold = leadership;
        }
        // After a round there is often nothing more to write for long: that it is durable is to be written down too.
        if !self.quiet && self.durable == self.appended && now.saturating_sub(self.wrote) >= self.pause {
            self.quiet = true;
            self.ports.flush()?;
        }
        self.links.crash_point(&mut self.ports, "proposer-before-send");
        self.links.dispatch(&mut self.ports, sends);
        let local = self.links.pump(&mut self.ports, now);
        // Also without answers: what could not be written before may be now.
        self.ports.reply(&answers);
        let deadline = earlier(earlier(deadline, self.suspicion), self.links.deadline());
        let more = more_mail || asked.more && self.accepting || self.told != self.durable || self.untold.is_some();
        Ok(Turned { deadline, more, local })
    }

    /// What the detectors make of the mail and of the time; the leadership when it has changed.
    fn detect(&mut self, now: u64, mail: &[Mail]) -> Option<proposer::Leadership> {
        let own = self.node;
        let peers = mail.iter().filter(|mail| mail.sender.role == Role::Proposer && mail.sender.node != own);
        let beats = peers.flat_map(|mail| mail.messages.iter().map(|message| (mail.sender.node, message)));
        let beats = beats.filter_map(|(node, message)| match message {
            Message::Heartbeat(beat) => Some((node, beat)),
            _ => None,
        });
        let mut heard: Vec<failure_detector::Sign> =
            beats.clone().map(|(node, beat)| failure_detector::Sign { node, life: beat.life }).collect();
        heard.dedup();
        let mut inputs: Vec<leader_detector::Input> = Vec::new();
        if !heard.is_empty() || self.suspicion.is_some_and(|then| then <= now) {
            let found = self.ports.step_failures(now, &heard);
            self.suspicion = found.deadline;
            for change in found.changes {
                inputs.push(match change {
                    failure_detector::Change::Suspect(node) => {
                        self.ports.log(Level::Info, &format!("node {node} is suspected"));
                        leader_detector::Input::Suspect(node)
                    }
                    failure_detector::Change::Restore(node) => {
                        self.ports.log(Level::Info, &format!("node {node} is heard again"));
                        leader_detector::Input::Restore(node)
                    }
                });
            }
        }
        for (node, beat) in beats {
            inputs.push(leader_detector::Input::Claim(leader_detector::Claim {
                node,
                leading: beat.leading,
                follows: beat.follows,
                fit: beat.fit,
            }));
        }
        self.name(&inputs)
    }

    /// Tells the leader detector what this node says of itself.
    fn own(&mut self, own: proposer::OwnClaim) -> Option<proposer::Leadership> {
        if own.fit != self.fit {
            self.fit = own.fit;
            let word = if own.fit { "fit" } else { "not fit" };
            self.ports.log(Level::Info, &format!("this node is {word} to lead"));
        }
        if let Some(ballot) = own.leading {
            self.ports.log(Level::Info, &format!("this node leads, ballot {}.{}", ballot.round, ballot.node));
        }
        let claim = leader_detector::Claim { node: self.node, leading: own.leading, follows: None, fit: own.fit };
        self.name(&[leader_detector::Input::Claim(claim)])
    }

    fn name(&mut self, inputs: &[leader_detector::Input]) -> Option<proposer::Leadership> {
        if inputs.is_empty() {
            return None;
        }
        let found = self.ports.step_leader(inputs);
        let found = proposer::Leadership { leader: found.leader, follows: found.follows, majority: found.majority };
        if found == self.leadership {
            return None;
        }
        if found.leader != self.leadership.leader {
            let who = found.leader.map_or("nobody".to_string(), |node| format!("node {node}"));
            self.ports.log(Level::Info, &format!("{who} is to lead"));
        }
        self.leadership = found;
        Some(found)
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
        let standing = ProposerCore::stand(&mut self.ports);
        let clients = self.ports.client_counters();
        let mut figures = vec![
            ("leading".into(), standing.leading.is_some().into()),
            ("ballot".into(), standing.leading.map_or(0, |ballot| ballot.round)),
            ("leader".into(), standing.leader.unwrap_or(0).into()),
            ("fit".into(), self.fit.into()),
            ("slot".into(), standing.executed),
            ("open-slots".into(), standing.open.into()),
            ("queued".into(), standing.queued),
            ("client-connections".into(), clients.connections),
            ("client-frames-in".into(), clients.frames_in),
            ("client-frames-out".into(), clients.frames_out),
            ("client-bytes-in".into(), clients.bytes_in),
            ("client-bytes-out".into(), clients.bytes_out),
        ];
        figures.extend(network_figures(&mut self.ports, self.links.up().len()));
        figures
    }

    /// Syncs and ends.
    pub fn stop(&mut self) -> Outcome<()> {
        self.ports.close_clients();
        self.ports.close_network();
        self.ports.close()
    }
}
