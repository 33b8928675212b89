//! How far a start is that executes a long log again, for whoever waits for it. Starts that are soon through say nothing.

use crate::admin::Replayed;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How often to look.
const LOOK: Duration = Duration::from_millis(100);
/// The first word comes after so long.
const FIRST: Duration = Duration::from_secs(1);
/// Further ones so often.
const EVERY: Duration = Duration::from_secs(2);

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is so far.
    Far(Replayed),
    /// It is through; told only after [`Told::Far`].
    Through,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Far(replayed) => write!(f, "executing the log again: {replayed}"),
            Self::Through => f.write_str("the log has been executed"),
        }
    }
}

/// Decides what is said when.
#[derive(Debug)]
struct Teller {
    next: Instant,
    told: bool,
}

impl Teller {
    /// A look at a moment. Answers what to say, and whether there is more to come.
    fn look(&mut self, replayed: Option<Replayed>, now: Instant) -> (Option<Told>, bool) {
        let Some(replayed) = replayed else { return (self.told.then_some(Told::Through), false) };
        if now < self.next {
            return (None, true);
        }
        self.next = now + EVERY;
        self.told = true;
        (Some(Told::Far(replayed)), true)
    }
}

/// Starts a thread that looks and says, until the start is through.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch(look: impl Fn() -> Option<Replayed> + Send + 'static, say: impl Fn(Told) + Send + 'static) -> Result<()> {
    let mut teller = Teller { next: Instant::now() + FIRST, told: false };
    let thread = std::thread::Builder::new().name("progress".into());
    let watching = move || {
        loop {
            let (told, more) = teller.look(look(), Instant::now());
            told.into_iter().for_each(&say);
            if !more {
                return;
            }
            std::thread::sleep(LOOK);
        }
    };
    thread.spawn(watching).context("cannot start the thread that tells of progress")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_start_is_told_of_and_a_short_one_is_not() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let far = |applied| Some(Replayed { applied, of: 300 });
        let mut short = Teller { next: at(1000), told: false };
        assert_eq!(short.look(far(1), at(0)), (None, true));
        assert_eq!(short.look(None, at(900)), (None, false));
        let mut long = Teller { next: at(1000), told: false };
        assert_eq!(long.look(far(100), at(1000)), (far(100).map(Told::Far), true));
        assert_eq!(long.look(far(150), at(2900)), (None, true));
        assert_eq!(
            long.look(far(200), at(3000)).0.map(|told| told.to_string()).as_deref(),
            Some("executing the log again: 200 of 300 batches (66 %)")
        );
        assert_eq!(long.look(None, at(3100)), (Some(Told::Through), false));
    }
}
