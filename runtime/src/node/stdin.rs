//! Standard input of a `run`: bytes from our own standard input become inputs of the log, as far as there is credit.

use anyhow::{Context, Result};
use replicode_log::{ConnId, Input};
use replicode_node::main_program::{Order, StdinState};
use replicode_replication::Replica;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of one input at most.
const CHUNK: u64 = 64 << 10;

/// Our own standard input, while a program has it. What it needs when is decided by [`replicode_node::MainProgram`].
#[derive(Debug, Default)]
pub struct Stdin(Option<StdinPump>);

impl Stdin {
    /// Carries out an order.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn carry_out(&mut self, order: Order, replica: &Replica) -> Result<()> {
        match (order, &self.0) {
            (Order::Offer(input), _) => replica.offer(&mut vec![input]),
            (Order::OpenStdin(stdin), _) => {
                let pump = StdinPump::start(stdin, replica.clone());
                self.0 = Some(pump.context("cannot start a thread for standard input")?);
            }
            (Order::Credit(limit), Some(pump)) => pump.credit(limit),
            (Order::CloseStdin, Some(pump)) => {
                pump.close();
                self.0 = None;
            }
            (Order::Credit(_) | Order::CloseStdin, None) => {}
        }
        Ok(())
    }
}

/// A running pump. The thread ends at end of file, with the process that reads, or with ours.
#[derive(Debug)]
pub struct StdinPump {
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Debug)]
struct Gate {
    limit: u64,
    closed: bool,
}

impl StdinPump {
    /// Starts reading our standard input where the log's record of it ends.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(state: StdinState, replica: Replica) -> std::io::Result<Self> {
        let gate = Arc::new((Mutex::new(Gate { limit: state.limit, closed: state.ended }), Condvar::new()));
        let theirs = gate.clone();
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            let offer = |input| replica.offer(&mut vec![input]);
            pump(&mut std::io::stdin().lock(), state, &theirs, offer);
        })?;
        Ok(Self { gate })
    }

    /// More may be sent.
    pub fn credit(&self, limit: u64) {
        let (gate, changed) = &*self.gate;
        let mut gate = lock(gate);
        gate.limit = gate.limit.max(limit);
        changed.notify_one();
    }

    /// The process is gone.
    pub fn close(&self) {
        let (gate, changed) = &*self.gate;
        lock(gate).closed = true;
        changed.notify_one();
    }
}

fn lock(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    // Poison would come from a panic between plain assignments: there is none.
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pump(source: &mut dyn Read, state: StdinState, gate: &(Mutex<Gate>, Condvar), mut offer: impl FnMut(Input)) {
    let conn = ConnId::console(state.pid);
    let mut offset = state.received;
    let mut buffer = vec![0; CHUNK as usize];
    loop {
        let room = {
            let (gate, changed) = gate;
            let mut gate = lock(gate);
            while gate.limit <= offset && !gate.closed {
                gate = changed.wait(gate).unwrap_or_else(PoisonError::into_inner);
            }
            if gate.closed {
                return;
            }
            (gate.limit - offset).min(CHUNK) as usize
        };
        match source.read(&mut buffer[..room]) {
            Ok(0) => return offer(Input::HalfClose { conn, offset }),
            Ok(n) => {
                offer(Input::Data { conn, offset, bytes: buffer[..n].to_vec() });
                offset += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A terminal that is gone, a descriptor that was never open: the program sees an end of file.
            Err(error) => {
                tracing::warn!("cannot read standard input: {error}");
                return offer(Input::HalfClose { conn, offset });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::Pid;

    #[test]
    fn bytes_wait_for_credit_and_offsets_are_absolute() {
        let conn = ConnId::console(Pid(3));
        let gate = Arc::new((Mutex::new(Gate { limit: 14, closed: false }), Condvar::new()));
        let pump_of = StdinPump { gate: gate.clone() };
        let state = StdinState { pid: Pid(3), received: 10, limit: 14, ended: false };
        let mut seen = Vec::new();
        pump(&mut &b"abcdefg"[..], state, &gate, |input| {
            // Credit comes only once everything that was allowed has been offered.
            pump_of.credit(100);
            seen.push(input);
        });
        assert_eq!(
            seen,
            [
                Input::Data { conn, offset: 10, bytes: b"abcd".to_vec() },
                Input::Data { conn, offset: 14, bytes: b"efg".to_vec() },
                Input::HalfClose { conn, offset: 17 },
            ]
        );
    }

    #[test]
    fn a_closed_gate_ends_the_pump() {
        let gate = (Mutex::new(Gate { limit: 0, closed: true }), Condvar::new());
        pump(&mut &b"abc"[..], StdinState::new(Pid(1), 0), &gate, |_| panic!("nothing may be offered"));
    }
}
