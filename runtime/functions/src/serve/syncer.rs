//! The thread that waits for the disk, so that no other has to: answers that must not be given before, and what is due now and then.

use super::driver::Ticket;
use crate::service::Service;
use crate::state::Sync;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A log of state is made short when it is longer than this and four times what is in it.
const LONG: u64 = 64 << 20;

#[derive(Default)]
pub(super) struct Syncer {
    work: Mutex<Work>,
    called: Condvar,
}

#[derive(Default)]
struct Work {
    waiting: Vec<(Ticket, Vec<u8>)>,
    ends: bool,
}

impl Syncer {
    /// An answer to be given once everything that is committed is on the disk.
    pub(super) fn wait_for_disk(&self, ticket: Ticket, answer: Vec<u8>) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).waiting.push((ticket, answer));
        self.called.notify_one();
    }

    pub(super) fn end(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).ends = true;
        self.called.notify_one();
    }

    /// The thread's life.
    pub(super) fn work(&self, service: &Arc<Service>, wake: impl Fn()) {
        let pause = match service.sync {
            Sync::Interval(ms) => Duration::from_millis(ms.max(1)),
            Sync::Always | Sync::Never => Duration::from_secs(1),
        };
        let mut synced = 0;
        loop {
            let (answers, ends) = {
                let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
                if work.waiting.is_empty() && !work.ends {
                    work = self.called.wait_timeout(work, pause).unwrap_or_else(PoisonError::into_inner).0;
                }
                (std::mem::take(&mut work.waiting), work.ends)
            };
            let due =
                !answers.is_empty() || matches!(service.sync, Sync::Interval(_)) && service.state.number() != synced;
            let mut result = if due { service.state.sync().map(|number| synced = number) } else { Ok(()) };
            if result.is_ok() {
                result = service.state.compact(LONG).map(drop);
            }
            if let Err(error) = result {
                tracing::error!("{error}");
                service.broken.set(error.to_string());
                service.shut_down(true);
                wake();
                return;
            }
            for (ticket, answer) in answers {
                ticket.send(answer);
            }
            if ends {
                return;
            }
        }
    }
}
