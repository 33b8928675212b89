//! Who runs next, and when it is enough.
//!
//! Processes run one after the other, in the order in which they became ready, each until it waits. What one sends may
//! wake another in the same batch. Time stands still meanwhile, and nothing from outside comes in.

use crate::guest::{GuestLoader, Pause};
use crate::machine::{Fault, Machine, Note, Work};
use replicode_syscalls::Kernel;

/// Turns in one batch. Two processes that answer each other without end would otherwise never let the batch end; with
/// this they go on in the next one, which follows at once.
pub const TURNS: usize = 4096;

impl<L: GuestLoader> Machine<L> {
    /// Runs processes until all wait or the batch has had its [`TURNS`].
    pub(crate) fn run(&mut self, mut kernel: Box<Kernel>, work: &mut Work) -> Result<Box<Kernel>, Fault> {
        self.pump(&mut kernel, work);
        for _ in 0..TURNS {
            let Some(pid) = self.carried.take().or_else(|| kernel.next_ready()) else {
                // Nobody can run on. Whoever waits for a receipt can, once there is one.
                match self.execute_asked(&mut kernel, work)? {
                    true => continue,
                    false => return Ok(kernel),
                }
            };
            // A process that was carried over may have been killed since.
            let Some(guest) = self.guests.get_mut(&pid) else { continue };
            let (returned, pause) = guest.resume(kernel);
            kernel = returned;
            match pause {
                Pause::Waiting => self.pump(&mut kernel, work),
                Pause::Exited(status, text) => {
                    work.notes.extend(text.map(|text| Note { pid, text }));
                    self.end_process(pid, status, &mut kernel, work);
                }
                Pause::Fault(why) => return Err(Fault::Guest { pid, why }),
            }
            self.take_questions(&mut kernel, work)?;
        }
        // What was submitted belongs to this batch, whoever hears of it in the next one.
        self.execute_asked(&mut kernel, work)?;
        self.carried = kernel.next_ready();
        Ok(kernel)
    }
}
