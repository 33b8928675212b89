//! What follows from a batch: it is taken down, executed, and each of its outputs goes to where it belongs.

use super::{Core, NOBODY};
use crate::boot::Booted;
use crate::deed::{Deed, End, Tone};
use crate::hints;
use crate::main_program::MainProgram;
use crate::outputs;
use replicode_log::codec::CodecError;
use replicode_log::{Batch, BatchIndex, BootNo, ConsoleStream, Digest, Input, Mono, NodeId, Output, Refusal};
use replicode_machine::{Applied, Fault, GuestLoader, Note};

/// A batch that is about to be executed, or is.
#[derive(Debug)]
pub(super) struct AtHand {
    batch: Option<Batch>,
    content: Digest,
    began: Mono,
    /// Something from outside is in it.
    events: bool,
}

impl<L: GuestLoader> Core<L> {
    /// The next batch: its encoding, and the digest of that.
    ///
    /// # Errors
    /// When it is none: this node is broken.
    pub fn handle_batch(&mut self, encoded: &[u8], content: Digest, now: Mono) -> Result<(), CodecError> {
        let batch = Batch::decode(encoded)?;
        self.recent.handle_batch(&batch, encoded.len(), content);
        let events = batch.sections.iter().flat_map(|section| &section.inputs).any(Input::is_event);
        if let Some(main) = &mut self.main {
            main.handle_batch(&batch);
        }
        self.at_hand = Some(AtHand { batch: Some(batch), content, began: now, events });
        Ok(())
    }

    /// The batch that is about to be executed. To change it is to break this node, as a test does that looks whether the others
    /// find it.
    pub fn batch_at_hand(&mut self) -> Option<&mut Batch> {
        self.at_hand.as_mut()?.batch.as_mut()
    }

    /// Executes the batch that was given last. Nothing else is decided meanwhile.
    ///
    /// # Errors
    /// When this node is broken.
    pub fn execute(&mut self) -> Result<Applied, Fault> {
        let at_hand = self.at_hand.as_mut().and_then(|at_hand| Some((at_hand.batch.take()?, at_hand.content)));
        let (batch, content) = at_hand.ok_or(Fault::Stopped)?;
        self.machine.apply(batch, content)
    }

    /// The batch has been executed, and this is what it amounted to.
    pub fn handle_applied(&mut self, applied: Applied, now: Mono) {
        let Applied { index, digest, outputs, had_events, calls, notes, .. } = applied;
        let (took, events) = match self.at_hand.take() {
            Some(at_hand) => (now.since(at_hand.began), at_hand.events),
            None => return,
        };
        self.recent.handle_digest(digest);
        self.unsettled = true;
        if took > hints::LONG {
            self.tell(Tone::Warn, hints::took_long(index, took, calls));
        }
        if let Some(news) = self.hints.handle_connections(self.machine.connections()) {
            self.deeds.push_back(Deed::Hint(self.hints.current()));
            if self.boot.is_live() {
                self.tell(Tone::Warn, news);
            }
        }
        // Its pid would have told; without one, this is what people have.
        let unstarted = notes.iter().filter(|note| note.pid == NOBODY);
        let unstarted: Vec<String> = unstarted.map(|note| note.text.clone()).collect();
        for text in &unstarted {
            self.hint(text);
        }
        self.deeds.push_back(Deed::Witness(index, digest));
        let outputs = self.without_calls(index, outputs);
        if let Some(main) = &mut self.main {
            main.handle_refusal(unstarted.into_iter().next());
        }
        if !self.outputs_of(index, outputs, now) {
            return;
        }
        for Note { pid, text } in notes {
            match pid {
                // A run whose program it is says so when it ends because of it.
                NOBODY if self.main.is_some() => self.tell(Tone::Warn, text),
                NOBODY => self.warn(text),
                pid => self.warn(format!("process {}: {}", pid.0, text.trim_end())),
            }
        }
        if let Some(main) = &mut self.main {
            main.handle_done();
        }
        if self.boot.granted().is_some() {
            self.reports.handle_batch(index, digest, had_events, events, now);
            if let Some(report) = self.reports.poll_report() {
                self.report(report);
            }
        }
    }

    /// Takes out of a batch's outputs those that are about calls of contracts: what became of them is told together.
    fn without_calls(&mut self, index: BatchIndex, outputs: Vec<Output>) -> Vec<Output> {
        let is_call = |output: &Output| matches!(output, Output::Client { .. } | Output::Receipt { .. });
        if !outputs.iter().any(is_call) {
            return outputs;
        }
        let (calls, others) = outputs.into_iter().partition(is_call);
        self.deeds.push_back(Deed::Called(index, calls));
        others
    }

    /// Sends each output to where it belongs. Answers whether the node goes on.
    fn outputs_of(&mut self, index: BatchIndex, outputs: Vec<Output>, now: Mono) -> bool {
        let ours =
            |output: &Output| matches!(output, Output::Booted { node, nonce, .. } if self.boot.is_ours(*node, *nonce));
        let admitted = outputs.iter().any(ours);
        let was_live = self.boot.is_live();
        // The batch that admits this start was proposed by it, so it was never executed before either.
        let new = was_live || admitted;
        let mut boots_changed = false;
        for output in outputs {
            boots_changed |= matches!(output, Output::Booted { .. } | Output::BootOver { .. });
            if let Some(main) = &mut self.main {
                if let Err(why) = main.handle_output(&output, new) {
                    return self.give_up(why);
                }
                self.orders_of_main();
            }
            if let Output::Refused { conn, why: Refusal::NoListener } = &output
                && conn.node() == Some(self.node)
                && let Some(text) = hints::nobody_listens(&self.machine)
                && self.hint(&text)
            {
                let tone = if self.main.is_some() && was_live { Tone::Say } else { Tone::Warn };
                self.tell(tone, text);
            }
            if outputs::concerns(&output, self.node, self.boot.granted()) {
                self.outputs.handle_output(output);
                continue;
            }
            match output {
                Output::Booted { node, boot, nonce } => self.booted(index, node, boot, nonce),
                Output::BootOver { node, boot } => self.over(index, node, boot),
                Output::Console { stream, bytes, .. } => self.print(stream, bytes, new),
                Output::Started { pid, name } => {
                    self.tell(Tone::Info, format!("process {pid} '{name}' started in batch {index}"));
                }
                Output::Exited { pid, status } => self.deeds.push_back(Deed::Ended { pid, index, status }),
                Output::Restarting { pid, at, failures } => self.tell(
                    Tone::Warn,
                    format!("process {pid} is started again at {at}: short run number {failures} in a row"),
                ),
                Output::Restarted { pid, by } => {
                    self.tell(Tone::Info, format!("process {pid} is followed by process {by}"));
                }
                Output::NotRestarting { pid } => {
                    self.tell(Tone::Info, format!("process {pid} is not started again: an operator's order"));
                }
                Output::Ordered { token, outcome } => self.deeds.push_back(Deed::Ordered { token, outcome }),
                Output::Diverged { index, majority, minority, agreed } => {
                    if !self.diverged(index, majority, &minority, agreed, was_live, now) {
                        return false;
                    }
                }
                // For contracts, which have theirs already; for clients of others, and of earlier boots.
                Output::Client { .. }
                | Output::Receipt { .. }
                | Output::Data { .. }
                | Output::HalfClose { .. }
                | Output::Reset { .. }
                | Output::Closed { .. }
                | Output::Credit { .. }
                | Output::Deaf { .. }
                | Output::KeepAlive { .. }
                | Output::Refused { .. } => {}
            }
        }
        if boots_changed {
            self.tell_boots();
        }
        if self.end.is_none() {
            self.end = self.main.as_mut().and_then(MainProgram::take_end).map(End::Exited);
        }
        if admitted && !was_live && self.end.is_none() {
            let Some(main) = &mut self.main else { return true };
            if let Err(why) = main.handle_admitted() {
                return self.give_up(why);
            }
            self.orders_of_main();
        }
        true
    }

    fn booted(&mut self, index: BatchIndex, node: NodeId, boot: BootNo, nonce: u64) {
        match self.boot.handle_booted(node, boot, nonce) {
            Booted::Ours { .. } => {
                let text = format!("admitted as boot {} of node {} in batch {index}", boot.0, node.get());
                self.tell(Tone::Info, text);
                self.deeds.push_back(Deed::Admit(boot));
            }
            Booted::Other => self.deeds.push_back(Deed::Started { node, nonce }),
            Booted::Earlier => {}
        }
    }

    fn over(&mut self, index: BatchIndex, node: NodeId, boot: BootNo) {
        if self.boot.handle_over(node, boot) {
            let text = format!("the others took this node for dead (batch {index}); its clients are reset");
            self.tell(Tone::Warn, text);
            self.boot_over();
        } else if node != self.node {
            self.tell(Tone::Info, format!("boot {} of node {} is over (batch {index})", boot.0, node.get()));
        }
    }

    fn print(&mut self, stream: ConsoleStream, bytes: Vec<u8>, new: bool) {
        let print = self.console.print(stream, bytes, new);
        self.deeds.extend(print.map(Deed::Print));
    }

    /// Who is there for the log has changed: whoever watches over the others is told.
    fn tell_boots(&mut self) {
        if self.boot.granted().is_some() && self.rest.is_none() {
            self.deeds.push_back(Deed::WatchOver(Some(self.machine.live_boots().collect())));
        }
    }

    /// Answers whether it is news.
    fn hint(&mut self, text: &str) -> bool {
        let news = self.hints.handle_hint(text);
        if news {
            self.deeds.push_back(Deed::Hint(self.hints.current()));
        }
        news
    }

    fn orders_of_main(&mut self) {
        let orders = std::iter::from_fn(|| self.main.as_mut().and_then(MainProgram::poll_order));
        self.deeds.extend(orders.map(|order| match order {
            crate::main_program::Order::Offer(input) => Deed::Offer(input),
            order => Deed::Stdin(order),
        }));
    }

    /// The program that this node is for cannot be run.
    fn give_up(&mut self, why: String) -> bool {
        self.outputs.handle_over();
        self.deeds.push_back(Deed::GiveUp(why));
        false
    }
}
