//! A node looked after, as its threads do: the machine is given what is agreed on, deeds are carried out, sockets are served.

use super::World;
use super::happening::Event;
use super::node::{Up, mono};
use super::plan::Mistake;
use crate::world::tcp::Found;
use replicode_log::{ConnId, HostAddr, Input, Mono, Output};
use replicode_nat::client::{CHUNK, Ending, Order, Read, ToRead, ToWrite, Word, Wrote};
use replicode_node::core::LogState;
use replicode_node::deed::Deed;
use replicode_pacing::gathering;
use std::time::Duration;

impl World<'_> {
    /// Everything that a node has to do now.
    pub(super) fn look_after(&mut self, node: usize, up: &mut Up) {
        self.execute(node, up);
        up.core.handle_drained(mono(self.now));
        self.deeds(node, up);
        if self.nodes[node].dead || self.verdict.is_some() {
            return;
        }
        self.round(up);
        self.send(node, up);
        self.bounded(node, up);
        if let Some(at) = up.deadline() {
            self.wake_node(node, up, at.max(self.now));
        }
    }

    /// Gives the machine what is agreed on, a group at most.
    fn execute(&mut self, node: usize, up: &mut Up) {
        for _ in 0..gathering::GROUP {
            if up.busy > self.now || self.verdict.is_some() {
                return;
            }
            let Some((encoded, content)) = up.due() else { return };
            let now = mono(self.now);
            if let Err(error) = up.core.handle_batch(&encoded, content, now) {
                return self.dies(node, &error.to_string());
            }
            self.spoil(node, up);
            let applied = match up.core.execute() {
                Ok(applied) => applied,
                Err(error) => return self.dies(node, &error.to_string()),
            };
            self.executed += 1;
            if applied.index.0 > self.sequencer.agreed {
                return self.broken(
                    "S3",
                    format!("node {} executes batch {}, which is on too few disks", node + 1, applied.index),
                );
            }
            match self.digests.computed(node as u64 + 1, applied.index, applied.digest) {
                Err(why) => return self.broken("S1", why),
                Ok(false) => {}
                Ok(true) => {
                    for output in &applied.outputs {
                        let said = self.streams.output(output);
                        self.judge("S5", said);
                    }
                }
            }
            if self.plan.effort > 0 {
                up.busy = self.now + self.draws.range(0, self.plan.effort);
            }
            up.core.handle_applied(applied, now);
            self.deeds(node, up);
        }
    }

    fn spoil(&self, node: usize, up: &mut Up) {
        if self.plan.mistake != Some(Mistake::Flip) || node != 0 || self.now < self.plan.faulty / 2 {
            return;
        }
        let inputs = up.core.batch_at_hand().into_iter().flat_map(|batch| &mut batch.sections);
        for input in inputs.flat_map(|section| &mut section.inputs) {
            if let Input::Data { bytes, .. } = input
                && let Some(last) = bytes.last_mut()
            {
                *last ^= 1;
                return;
            }
        }
    }

    /// Carries out what the core wants done.
    fn deeds(&mut self, node: usize, up: &mut Up) {
        let now = mono(self.now);
        while let Some(deed) = up.core.poll_deed() {
            match deed {
                Deed::AskForBoot => {
                    let nonce = self.draws.draw();
                    up.outgoing.ask_boot(nonce);
                    up.core.handle_asked(nonce);
                }
                Deed::Admit(boot) => {
                    self.boots += 1;
                    up.outgoing.booted(boot);
                    up.clients.handle_boot(boot, now);
                    self.serve(up);
                }
                Deed::Over => {
                    up.watches = None;
                    up.clients.handle_suspend(now);
                    self.serve(up);
                }
                Deed::Suspend => {
                    up.clients.handle_suspend(now);
                    self.serve(up);
                }
                Deed::WatchOver(boots) => up.watches = boots,
                Deed::Offer(input) => _ = up.outgoing.offer(&mut vec![input]),
                Deed::Clients(clients) => {
                    for output in clients.outputs {
                        let output = self.mixed(up, output);
                        up.clients.handle_output(output, now);
                    }
                    self.serve(up);
                }
                Deed::Applied(progress) => {
                    up.outgoing.applied(progress.next_seq);
                    self.sequencer.applied(progress);
                    self.at(self.now, Event::Sequence);
                    if let Some(at) = self.sequencer.deadline() {
                        self.at(at, Event::Sequence);
                    }
                }
                Deed::LookAround => {
                    let silence = self.nodes[node].cut.map_or(0, |(since, _)| self.now - since);
                    up.core.handle_silence(Duration::from_nanos(silence));
                }
                Deed::LookAtLog => {
                    let (last, agreed) = (Some(up.log.len() as u64), Some(up.agreed));
                    let batch = replicode_log::BatchIndex(up.agreed);
                    up.core.handle_log(LogState { last, agreed, batch }, now);
                }
                Deed::Parted(parted) => self.broken("S1", format!("node {}: {}", node + 1, parted.report)),
                Deed::End(_) => self.nodes[node].dead = true,
                Deed::GiveUp(why) => self.dies(node, &why),
                // For people, or for what this profile has none of.
                Deed::Started { .. }
                | Deed::Witness(..)
                | Deed::FlushWitness
                | Deed::Print(_)
                | Deed::Stdin(_)
                | Deed::Ordered { .. }
                | Deed::Called(..)
                | Deed::Hint(_)
                | Deed::Ended { .. }
                | Deed::Tell(..)
                | Deed::Ask { .. } => {}
            }
        }
    }

    /// A mistake that is planted: bytes go to whichever other client of the node has the same position.
    fn mixed(&mut self, up: &Up, output: Output) -> Output {
        if self.plan.mistake != Some(Mistake::Mixed) || self.now < self.plan.faulty / 2 {
            return output;
        }
        let Output::Data { conn, offset, bytes } = output else { return output };
        let others = up.sockets.iter().flatten().filter_map(|tcp| self.tcps[*tcp].conn);
        let other = others.filter(|other| *other != conn).min();
        Output::Data { conn: other.unwrap_or(conn), offset, bytes }
    }

    /// One round of the thread that waits for clients.
    fn round(&mut self, up: &mut Up) {
        let now = mono(self.now);
        up.rounds += 1;
        self.serve(up);
        let congested = up.outgoing.bytes() > self.plan.outgoing;
        up.clients.handle_round(congested, now);
        self.accept(up, now);
        self.read(up, now);
        self.serve(up);
        up.clients.handle_timeout(now);
        self.serve(up);
    }

    fn accept(&mut self, up: &mut Up, now: Mono) {
        while let Some(door) = up.clients.poll_accept() {
            let Some(tcp) = up.waiting[door].pop_front() else {
                up.clients.handle_nobody(door);
                continue;
            };
            let Ok(slot) = up.clients.place() else { continue };
            if up.sockets.len() <= slot {
                up.sockets.resize(slot + 1, None);
            }
            up.sockets[slot] = Some(tcp);
            let from = HostAddr::V4([192, 0, 2, self.tcps[tcp].client as u8], 1024 + (tcp % 60_000) as u16);
            up.clients.handle_client(from, self.shared.services[door].clone(), now);
            let conn = up.clients.poll_inputs().and_then(|inputs| match inputs.last() {
                Some(Input::Open { conn, .. }) => Some(*conn),
                _ => None,
            });
            let it = &mut self.tcps[tcp];
            (it.slot, it.conn) = (Some(slot), conn);
            self.at(self.now, Event::Socket(tcp));
        }
    }

    fn read(&mut self, up: &mut Up, now: Mono) {
        while let Some(ToRead { slot, most }) = up.clients.poll_read() {
            let Some(tcp) = up.sockets.get(slot).copied().flatten() else {
                up.clients.handle_read(slot, Read::Lost, now);
                continue;
            };
            let it = &mut self.tcps[tcp];
            let blocked = !it.to_node.has_room();
            let found = it.to_node.read(most.min(CHUNK), self.now);
            let client = it.client;
            match found {
                Found::Bytes(bytes) => up.clients.handle_read(slot, Read::Bytes(&bytes), now),
                Found::End => up.clients.handle_read(slot, Read::End, now),
                Found::Reset => up.clients.handle_read(slot, Read::Lost, now),
                Found::Nothing(_) => up.clients.handle_read(slot, Read::Empty, now),
            }
            if blocked {
                let at = self.now + self.way();
                self.wake_client(client, at);
            }
        }
    }

    /// Does what is to be done but for reading and taking clients, and offers the log what came of it.
    fn serve(&mut self, up: &mut Up) {
        let now = mono(self.now);
        loop {
            self.write(up, now);
            let Some(order) = up.clients.poll_order() else { break };
            self.obey(up, order, now);
        }
        if let Some(inputs) = up.clients.poll_inputs() {
            up.outgoing.offer(inputs);
            inputs.clear();
        }
    }

    fn write(&mut self, up: &mut Up, now: Mono) {
        let arrives = self.now + self.way();
        while let Some(write) = up.clients.poll_write() {
            let (ToWrite::Bytes { slot, .. } | ToWrite::End { slot }) = write;
            let Some(tcp) = up.sockets.get(slot).copied().flatten() else {
                up.clients.handle_wrote(slot, Wrote::Lost, now);
                continue;
            };
            let it = &mut self.tcps[tcp];
            let wrote = match write {
                _ if it.to_node.is_reset(self.now) => Wrote::Lost,
                ToWrite::End { .. } => {
                    it.to_client.end(arrives);
                    Wrote::End
                }
                ToWrite::Bytes { chunks, .. } => {
                    let mut count = 0;
                    for chunk in chunks {
                        let chunk = if it.one_byte { &chunk[..chunk.len().min(1)] } else { chunk };
                        let taken = it.to_client.write(chunk, arrives);
                        count += taken;
                        if taken < chunk.len() || it.one_byte {
                            break;
                        }
                    }
                    it.full = count == 0;
                    if count == 0 { Wrote::Full } else { Wrote::Bytes(count) }
                }
            };
            let (client, at) = (it.client, it.to_client.settled());
            up.clients.handle_wrote(slot, wrote, now);
            self.wake_client(client, at);
        }
    }

    fn obey(&mut self, up: &mut Up, order: Order, now: Mono) {
        match order {
            Order::WatchDoors => {
                up.watched = true;
                let busy = up.waiting.iter().enumerate().filter(|(_, waiting)| !waiting.is_empty());
                busy.for_each(|(door, _)| up.clients.handle_door(door));
            }
            Order::IgnoreDoors => up.watched = false,
            Order::KeepAlive { .. } | Order::Tell(Word::Refused(_)) => {}
            Order::Unacked { slot } => {
                let tcp = up.sockets.get(slot).copied().flatten();
                let left = tcp.map(|tcp| self.tcps[tcp].to_client.unarrived(self.now) as u32);
                up.clients.handle_unacked(slot, left, now);
            }
            Order::Close { slot, ending } => {
                if let Some(tcp) = up.sockets.get_mut(slot).and_then(Option::take) {
                    self.hang_up(tcp, ending == Ending::Reset);
                }
            }
            Order::Tell(Word::Contradiction(conn, violation)) => {
                self.broken("S5", format!("{conn}: the log contradicts itself: {violation}"));
            }
        }
    }

    /// X2: whatever queues up is below its cap.
    fn bounded(&mut self, node: usize, up: &Up) {
        // What was there when the cap was reached, and what each client may bring in one round.
        let (clients, windows) = (up.clients.len().max(1), self.plan.windows);
        let round = clients * (windows.0 as usize + 512) + 4096;
        let most = self.plan.outgoing + 2 * round;
        if up.outgoing.bytes() > most {
            let bytes = up.outgoing.bytes();
            self.broken(
                "X2",
                format!("node {} has {bytes} bytes of inputs to send, at most {most} are meant", node + 1),
            );
        }
        if up.rounds.is_multiple_of(64) {
            for info in up.clients.infos() {
                if info.unwritten > u64::from(windows.1) {
                    let (conn, unwritten): (ConnId, u64) = (info.conn, info.unwritten);
                    self.broken("X2", format!("{unwritten} bytes wait for the client of {conn}, beyond its window"));
                }
            }
        }
    }
}
