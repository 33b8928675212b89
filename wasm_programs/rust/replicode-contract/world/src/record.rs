//! What is done in a world, written down: one file a world, one line a step.
//!
//! ```text
//! fund ADDRESS AMOUNT
//! run BATCH TIME SEED TRANSACTION        (bytes in hexadecimal digits)
//! ```

use replicode_contracts::run::Moment;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// Worlds of this process, so that their files have different names.
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A world's file.
pub(crate) struct Record(File);

impl Record {
    /// In the folder that the environment names, if it names one.
    pub(crate) fn of_environment() -> Option<Self> {
        let folder = std::env::var_os("REPLICODE_CONTRACT_RECORD")?;
        let name = format!("{}-{}.steps", std::process::id(), WORLDS.fetch_add(1, Ordering::Relaxed));
        let path = std::path::Path::new(&folder).join(name);
        let file = File::create(&path).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        Some(Self(file))
    }

    fn line(&mut self, line: &str) {
        writeln!(self.0, "{line}").unwrap_or_else(|error| panic!("cannot write what is done in the world: {error}"));
    }

    pub(crate) fn funded(&mut self, account: &[u8; 20], amount: u128) {
        self.line(&format!("fund {} {amount}", digits(account)));
    }

    pub(crate) fn executed(&mut self, moment: Moment, transaction: &[u8]) {
        let Moment { batch, time, seed } = moment;
        self.line(&format!("run {batch} {time} {seed} {}", digits(transaction)));
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
