//! A client's end of its connection: it connects, reads and writes when it is its turn to, and what it reads is judged.

use super::client::{Ended, Write};
use super::happening::Event;
use super::{Tcp, World};
use crate::world::tcp::{Found, Stream};

impl World<'_> {
    /// A client looks what there is to do.
    pub(super) fn client(&mut self, who: usize) {
        let now = self.now;
        let Some(tcp) = self.clients[who].talk.as_ref().map(|talk| talk.tcp) else {
            // Who has done enough leaves the others in peace.
            if self.healed && self.clients[who].done >= 2 {
                return;
            }
            if now >= self.clients[who].again {
                return self.connect(who);
            }
            // It was woken for a connection that is over.
            return self.wake_client(who, self.clients[who].again);
        };
        self.client_reads(who, tcp);
        if self.clients[who].talk.is_some() {
            self.client_writes(who, tcp);
        }
        if let Some(at) = self.clients[who].deadline(now) {
            self.wake_client(who, at);
        }
    }

    fn connect(&mut self, who: usize) {
        let (node, door) = self.clients[who].choose(self.nodes.len());
        let (manner, now) = (*self.clients[who].manner(), self.now);
        let run = self.nodes[node].starts;
        let Some(up) = &mut self.nodes[node].up else {
            self.clients[who].refused(now);
            return self.wake_client(who, self.clients[who].again);
        };
        let tcp = self.tcps.len();
        up.waiting[door].push_back(tcp);
        if up.watched {
            up.clients.handle_door(door);
            let at = now + self.draws.range(self.plan.way.0, self.plan.way.1);
            self.number += 1;
            self.queue.push(std::cmp::Reverse((at, self.number, Event::Node(node, run))));
        }
        let stream = || Stream::new(manner.room);
        self.tcps.push(Tcp {
            client: who,
            node,
            run,
            slot: None,
            conn: None,
            to_node: stream(),
            to_client: stream(),
            over: false,
            full: false,
            one_byte: manner.one_byte,
        });
        self.clients[who].connected(tcp, door, now);
        self.wake_client(who, now);
    }

    fn client_reads(&mut self, who: usize, tcp: usize) {
        loop {
            let most = self.clients[who].reads(self.now);
            if most == 0 {
                return;
            }
            match self.tcps[tcp].to_client.read(most, self.now) {
                Found::Bytes(bytes) => {
                    self.client_got(who, tcp, &bytes);
                    if std::mem::take(&mut self.tcps[tcp].full) {
                        let at = self.now + self.way();
                        self.at(at, Event::Socket(tcp));
                    }
                }
                Found::End => {
                    let got = self.clients[who].talk.as_ref().map_or(0, |talk| talk.got);
                    let known = self.clients[who].ends();
                    self.judge("S5", known);
                    let said = match self.tcps[tcp].conn {
                        Some(conn) => self.streams.end(conn, got),
                        None => Err(format!("client {who} saw an end of a connection that nobody took")),
                    };
                    self.judge("S5", said);
                    self.tcps[tcp].to_node.end(self.now);
                    return self.client_over(who, tcp, Ended::Clean);
                }
                Found::Reset => return self.client_over(who, tcp, Ended::Reset),
                Found::Nothing(Some(at)) => return self.wake_client(who, at),
                Found::Nothing(None) => return,
            }
        }
    }

    fn client_got(&mut self, who: usize, tcp: usize, bytes: &[u8]) {
        let at = self.clients[who].talk.as_ref().map_or(0, |talk| talk.got);
        let said = match self.tcps[tcp].conn {
            Some(conn) => self.streams.read(conn, at, bytes),
            None => Err(format!("client {who} read bytes of a connection that nobody took")),
        };
        let known = self.clients[who].took(bytes, self.now);
        self.judge("S5", said);
        // An input that was executed twice would show here, and so would one that was not.
        self.judge("S5, S6", known);
    }

    fn client_writes(&mut self, who: usize, tcp: usize) {
        while let Some(write) = self.clients[who].writes(self.now) {
            let at = self.now + self.way();
            match write {
                Write::Bytes(bytes) => {
                    let taken = self.tcps[tcp].to_node.write(&bytes, at);
                    if taken == 0 {
                        return;
                    }
                    self.clients[who].wrote(taken, self.now);
                }
                Write::End => {
                    self.tcps[tcp].to_node.end(at);
                    self.clients[who].has_ended();
                }
                Write::GiveUp => {
                    self.tcps[tcp].to_node.reset(at, self.now);
                    self.at(at, Event::Socket(tcp));
                    return self.client_over(who, tcp, Ended::GaveUp);
                }
            }
            let at = self.tcps[tcp].to_node.settled();
            self.at(at, Event::Socket(tcp));
        }
    }

    fn client_over(&mut self, who: usize, tcp: usize, how: Ended) {
        self.tcps[tcp].over = true;
        self.clients[who].over(how, self.now);
        let at = self.now + self.way();
        self.at(at, Event::Socket(tcp));
        self.wake_client(who, self.clients[who].again);
    }
}
