//! What a server of functions has for the log, while the log takes no more: it waits here, in order, and the server is still read, for its
//! questions need no log.

use replicode_log::Input;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks whether the log takes more.
const CONGESTED: Duration = Duration::from_millis(2);
/// Bytes that may wait; beyond them the server is not read from.
const MOST: usize = 32 << 20;

/// Where inputs go.
pub trait Log {
    /// Whether it takes no more for now.
    fn is_congested(&self) -> bool;

    /// Takes all of these.
    fn offer(&self, inputs: &mut Vec<Input>);
}

impl Log for replicode_replication::Replica {
    fn is_congested(&self) -> bool {
        self.congested()
    }

    fn offer(&self, inputs: &mut Vec<Input>) {
        Self::offer(self, inputs);
    }
}

/// See the module.
#[derive(Default)]
pub struct Offering {
    state: Mutex<State>,
    /// Something waits, or there is room, or the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Input>,
    bytes: usize,
    /// The thread that waits for the log has something: nothing may overtake that.
    busy: bool,
    closed: bool,
}

impl Offering {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole at every moment at which its holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers these, now or in their turn. Waits only while very much waits already.
    pub fn put(&self, log: &impl Log, inputs: &mut Vec<Input>, bytes: usize) {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.busy && !log.is_congested() {
            return log.offer(inputs);
        }
        while state.bytes > MOST && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.append(inputs);
        state.bytes += bytes;
        drop(state);
        self.changed.notify_all();
    }

    /// The thread that waits for the log, until the end.
    pub fn work(&self, log: &impl Log) {
        let mut state = self.lock();
        while !state.closed {
            if state.waiting.is_empty() {
                state.busy = false;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            if log.is_congested() {
                drop(state);
                std::thread::sleep(CONGESTED);
                state = self.lock();
                continue;
            }
            log.offer(&mut state.waiting);
            // What it has taken it has taken out.
            state.waiting.clear();
            (state.bytes, state.busy) = (0, false);
            self.changed.notify_all();
        }
    }

    /// Nothing is offered any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::Call;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Default)]
    struct Taking {
        full: AtomicBool,
        taken: Mutex<Vec<u64>>,
    }

    impl Log for Taking {
        fn is_congested(&self) -> bool {
            self.full.load(Ordering::SeqCst)
        }

        fn offer(&self, inputs: &mut Vec<Input>) {
            let numbers = inputs.drain(..).filter_map(|input| match input {
                Input::Call(Call::Open { token }) => Some(token),
                _ => None,
            });
            self.taken.lock().expect("whole").extend(numbers);
        }
    }

    #[test]
    fn nothing_is_overtaken_and_whoever_reads_does_not_wait_for_the_log() {
        let (log, offering) = (Arc::new(Taking::default()), Arc::new(Offering::default()));
        let worker = std::thread::spawn({
            let (log, offering) = (log.clone(), offering.clone());
            move || offering.work(&*log)
        });
        for number in 0..1000 {
            // The log is full now and then; nobody here waits for it.
            log.full.store(number % 100 >= 50, Ordering::SeqCst);
            offering.put(&*log, &mut vec![Input::Call(Call::Open { token: number })], 10);
        }
        log.full.store(false, Ordering::SeqCst);
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while log.taken.lock().expect("whole").len() < 1000 && std::time::Instant::now() < deadline {
            std::thread::sleep(CONGESTED);
        }
        offering.close();
        worker.join().expect("a thread");
        assert_eq!(*log.taken.lock().expect("whole"), (0..1000).collect::<Vec<_>>());
    }
}
