//! Pauses before something is tried again.

use replicode_log::Mono;
use std::time::Duration;

/// Before a broken route to the leader is tried again.
pub const ROUTE: Duration = Duration::from_millis(20);
/// Before what the engine has refused is proposed again: it refuses while its lease has run out.
pub const REFUSED: Duration = Duration::from_millis(20);

/// A pause of a fixed length.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    length: Duration,
    until: Option<Mono>,
}

impl Pause {
    /// None yet.
    #[must_use]
    pub const fn new(length: Duration) -> Self {
        Self { length, until: None }
    }

    /// Begins one. Answers `false`, and changes nothing, while one has not been ended.
    pub fn begin(&mut self, now: Mono) -> bool {
        let none = self.until.is_none();
        self.until.get_or_insert(now.plus(self.length));
        none
    }

    /// Whether to wait still. What is over is ended.
    pub fn is_on(&mut self, now: Mono) -> bool {
        if self.until.is_some_and(|until| now < until) {
            return true;
        }
        self.end();
        false
    }

    /// There is no reason for it any more.
    pub const fn end(&mut self) {
        self.until = None;
    }

    /// When it is over.
    #[must_use]
    pub const fn deadline(&self) -> Option<Mono> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_for_its_length_and_is_not_prolonged() {
        let at = |ms: u64| Mono::LONG_AGO.plus(Duration::from_millis(1_000 + ms));
        let mut pause = Pause::new(ROUTE);
        assert!(!pause.is_on(at(0)) && pause.deadline().is_none());
        assert!(pause.begin(at(0)) && !pause.begin(at(10)));
        assert_eq!(pause.deadline(), Some(at(20)));
        assert!(pause.is_on(at(19)) && !pause.is_on(at(20)));
        assert_eq!(pause.deadline(), None);
        assert!(pause.begin(at(30)) && pause.is_on(at(49)));
        pause.end();
        assert!(!pause.is_on(at(31)));
    }
}
