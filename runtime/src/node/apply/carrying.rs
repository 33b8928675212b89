//! What the core wants done, done: each deed is a call of whoever has the files, sockets and threads.

use super::ApplyLoop;
use crate::digests::NotReproduced;
use crate::telemetry;
use anyhow::{Context, Error, Result, bail};
use replicode_log::{BatchIndex, BootNo, ExitStatus, NodeId, Pid};
use replicode_node::core::LogState;
use replicode_node::deed::{Deed, Tone};
use replicode_replication::mono;
use std::time::Duration;

impl ApplyLoop {
    /// Carries out everything that is to be done.
    ///
    /// # Errors
    /// What cannot be, or that this node must stop.
    pub(super) fn carry_out(&mut self) -> Result<()> {
        while let Some(deed) = self.core.poll_deed() {
            self.one(deed)?;
        }
        Ok(())
    }

    fn one(&mut self, deed: Deed) -> Result<()> {
        match deed {
            Deed::Clients(clients) => {
                if let Some(gateway) = &self.gateway {
                    if !clients.at_once {
                        self.replica.expect_more();
                    }
                    gateway.outputs(clients.outputs, clients.at_once);
                }
            }
            Deed::Applied(progress) => self.replica.applied(progress),
            Deed::Witness(index, digest) => {
                if let Err(error) = self.digests.put(index, digest) {
                    self.not_reproduced(error)?;
                }
            }
            Deed::FlushWitness => self.digests.flush()?,
            Deed::Offer(input) => self.replica.offer(&mut vec![input]),
            Deed::Print(print) => self.console.print(&print)?,
            Deed::AskForBoot => self.core.handle_asked(self.replica.boot()),
            Deed::Admit(boot) => {
                self.vitals.boot(boot);
                self.replica.booted(boot);
                if let Some(contracts) = &self.contracts {
                    contracts.admit(true);
                }
                if let Some(gateway) = &self.gateway {
                    gateway.admit(boot);
                }
            }
            Deed::Over => {
                self.vitals.boot(BootNo(0));
                self.replica.watch_over(None);
                self.suspend();
                if let Some(contracts) = &self.contracts {
                    // What was on its way is dropped with the boot, or is applied after all: whoever waits asks again.
                    contracts.admit(false);
                    contracts.waiting.forget();
                    contracts.functions.forget();
                }
            }
            Deed::Suspend => self.suspend(),
            Deed::Started { node, nonce } => {
                if let Err(why) = self.replica.started(node, nonce) {
                    self.core.handle_unnoted(node, &why);
                }
            }
            Deed::WatchOver(boots) => self.replica.watch_over(boots),
            Deed::Stdin(order) => self.stdin.carry_out(order, &self.replica)?,
            Deed::Ordered { token, outcome } => self.orders.settle(token, outcome),
            Deed::Called(index, outputs) => {
                if let Some(contracts) = &self.contracts {
                    contracts.settle(index, &outputs, &self.state.own);
                }
            }
            Deed::Hint(hint) => self.vitals.hint(hint),
            Deed::Ended { pid, index, status } => self.ended(pid, index, status),
            Deed::Tell(tone, text) => match tone {
                Tone::Info => tracing::info!("{text}"),
                Tone::Warn => tracing::warn!("{text}"),
                Tone::Error => tracing::error!("{text}"),
                Tone::Say => telemetry::say(&text),
            },
            Deed::LookAround => self.core.handle_silence(self.replica.cut_off()),
            Deed::LookAtLog => {
                let status = self.replica.status();
                let (last, agreed) = (status.last_raft_index, status.commit_raft_index);
                self.core.handle_log(LogState { last, agreed, batch: status.batch_index }, mono::now());
            }
            Deed::Ask { peer, question, patience } => self.ask(peer, question, patience)?,
            Deed::Parted(parted) => return Err(self.parted(&parted)),
            Deed::GiveUp(why) => bail!(why),
            Deed::End(end) => self.state.end = Some(end),
        }
        Ok(())
    }

    fn suspend(&self) {
        if let Some(gateway) = &self.gateway {
            gateway.suspend();
        }
    }

    fn ended(&self, pid: Pid, index: BatchIndex, status: ExitStatus) {
        tracing::info!("process {pid} ended in batch {index}: {status}");
        for line in self.vitals.ending_of(pid).unwrap_or_default().said {
            tracing::info!("process {pid} said: {line}");
        }
    }

    /// The witness has another digest than the one that is to be put there, or cannot be written.
    fn not_reproduced(&mut self, error: Error) -> Result<()> {
        let Some(NotReproduced { index, .. }) = error.downcast_ref() else { return Err(error) };
        let index = *index;
        self.state.doubt = Some(error);
        self.core.handle_not_reproduced(index, mono::now());
        Ok(())
    }

    /// Asks a peer, on a thread of its own: the answer takes as long as it takes, and questions are answered meanwhile.
    fn ask(&self, peer: NodeId, question: Vec<u8>, patience: Duration) -> Result<()> {
        let (replica, own) = (self.replica.clone(), self.own.clone());
        let asking = move || {
            let answer = replica.ask(peer, &question, patience).map_err(|error| error.to_string());
            own.answered(peer, answer);
        };
        let thread = std::thread::Builder::new().name("divergence".into());
        thread.spawn(asking).context("cannot start the thread that asks other nodes")?;
        Ok(())
    }
}
