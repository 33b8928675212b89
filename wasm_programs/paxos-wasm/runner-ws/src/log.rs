//! Lines for people, on standard error.

use paxos_config::Level;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes lines of one process that are important enough.
#[derive(Debug, Clone)]
pub struct Log {
    /// `node 2 acceptor`.
    who: String,
    level: Level,
}

impl Log {
    /// For lines of `who`, up to `level`.
    #[must_use]
    pub const fn new(who: String, level: Level) -> Self {
        Self { who, level }
    }

    /// Writes a line, in one piece, so that lines of several processes in one file stay whole. Nobody can be told if that
    /// fails.
    pub fn write(&self, level: Level, text: &str) {
        if level > self.level {
            return;
        }
        // What comes from outside must not look like several lines of ours.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = format!("{} {level:<5} {}: {text}\n", timestamp(SystemTime::now()), self.who);
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// `2026-01-31T23:59:59.123Z`
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// The date of a number of days since 1970, by counting eras of 400 years from 1 March of the year 0.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + (month <= 2) as u64, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_600, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
