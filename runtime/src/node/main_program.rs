//! What the main program of a `run` needs from outside: our own standard input, and a word to the log. What it needs when is
//! decided by [`replicode_node::MainProgram`].

use super::stdin::StdinPump;
use anyhow::{Context, Error, Result};
use replicode_log::{Batch, ExitStatus, Output, ProgramSpec};
use replicode_node::main_program::{self, Order};
use replicode_replication::Replica;

/// The main program, and its standard input while it has one.
pub struct MainProgram {
    program: main_program::MainProgram,
    pump: Option<StdinPump>,
}

impl MainProgram {
    /// The program as the configuration has it, and as the command line wants it now.
    #[must_use]
    pub fn new(recorded: &ProgramSpec, args: Vec<String>, env: Vec<(String, String)>, window: u32) -> Self {
        Self { program: main_program::MainProgram::new(recorded, args, env, window), pump: None }
    }

    /// A batch is about to be applied.
    pub fn before(&mut self, batch: &Batch) {
        self.program.handle_batch(batch);
    }

    /// Why a process could not be started in the batch whose outputs come next.
    pub fn refused(&mut self, why: Option<String>) {
        self.program.handle_refusal(why);
    }

    /// An output of the batch.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn output(&mut self, output: &Output, live: bool, replica: &Replica) -> Result<()> {
        self.program.handle_output(output, live).map_err(Error::msg)?;
        self.carry_out(replica)
    }

    /// How the program has ended in this run, once it has and nothing is to follow.
    pub const fn take_end(&mut self) -> Option<ExitStatus> {
        self.program.take_end()
    }

    /// After a batch.
    pub fn after(&mut self) {
        self.program.handle_done();
    }

    /// This start of the node has been admitted.
    ///
    /// # Errors
    /// When the program still runs, with other arguments than those asked for now.
    pub fn admitted(&mut self, replica: &Replica) -> Result<()> {
        self.program.handle_admitted().map_err(Error::msg)?;
        self.carry_out(replica)
    }

    fn carry_out(&mut self, replica: &Replica) -> Result<()> {
        while let Some(order) = self.program.poll_order() {
            match (order, &self.pump) {
                (Order::Offer(input), _) => replica.offer(&mut vec![input]),
                (Order::OpenStdin(stdin), _) => {
                    let pump = StdinPump::start(stdin, replica.clone());
                    self.pump = Some(pump.context("cannot start a thread for standard input")?);
                }
                (Order::Credit(limit), Some(pump)) => pump.credit(limit),
                (Order::CloseStdin, Some(pump)) => {
                    pump.close();
                    self.pump = None;
                }
                (Order::Credit(_) | Order::CloseStdin, None) => {}
            }
        }
        Ok(())
    }
}
