//! What one process of a load measured, and the sum over several processes.

use crate::latency::Latencies;
use serde::{Deserialize, Serialize};

/// Counts and times of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were given up without an answer.
    pub unanswered: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Connections that were made after the first one.
    pub reconnects: u64,
    /// When the first request was sent, in nanoseconds of the machine's clock.
    pub began: u64,
    /// When the last answer came.
    pub ended: u64,
    /// The longest time without an answer, in nanoseconds.
    pub silence: u64,
    /// Processor time of the process, in nanoseconds.
    pub processor: u64,
    /// Latencies of the answered requests.
    pub latencies: Latencies,
}

impl Report {
    /// Adds what another process has measured in the same run.
    pub fn merge(&mut self, other: &Self) {
        self.began = if self.answered == 0 { other.began } else { self.began.min(other.began) };
        self.ended = self.ended.max(other.ended);
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.retries += other.retries;
        self.reconnects += other.reconnects;
        self.silence = self.silence.max(other.silence);
        self.processor += other.processor;
        self.latencies.merge(&other.latencies);
    }

    /// Answered requests per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let nanos = self.ended.saturating_sub(self.began).max(1);
        self.answered as f64 * 1e9 / nanos as f64
    }

    /// Whether each request was answered.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unanswered == 0 && self.refused == 0
    }

    /// Five lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let ms = |nanos: u64| nanos as f64 / 1e6;
        format!(
            "requests    {} answered, {} unanswered, {} refused; {} sent again over {} new connections\n\
             time        {:.3} s\n\
             rate        {:.0} req/s\n\
             latency     p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest silence {:.0} ms\n\
             client      {:.2} µs of processor time a request",
            self.answered,
            self.unanswered,
            self.refused,
            self.retries,
            self.reconnects,
            ms(self.ended.saturating_sub(self.began)) / 1e3,
            self.rate(),
            ms(self.latencies.quantile(0.5)),
            ms(self.latencies.quantile(0.99)),
            ms(self.latencies.quantile(0.999)),
            ms(self.silence),
            self.processor as f64 / 1e3 / self.answered.max(1) as f64,
        )
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "answered": self.answered, "unanswered": self.unanswered, "refused": self.refused, "retries": self.retries,
            "reconnects": self.reconnects, "seconds": self.ended.saturating_sub(self.began) as f64 / 1e9,
            "rate": self.rate(), "p50_ms": self.latencies.quantile(0.5) as f64 / 1e6,
            "p99_ms": self.latencies.quantile(0.99) as f64 / 1e6, "p999_ms": self.latencies.quantile(0.999) as f64 / 1e6,
            "silence_ms": self.silence as f64 / 1e6,
            "client_us": self.processor as f64 / 1e3 / self.answered.max(1) as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_over_the_whole_time() {
        let mut latencies = Latencies::default();
        latencies.add(1_000_000);
        let one = Report { answered: 1, began: 1_000_000_000, ended: 2_000_000_000, latencies, ..Report::default() };
        let two = Report { began: 1_500_000_000, ended: 3_000_000_000, unanswered: 1, ..one.clone() };
        let mut sum = Report::default();
        sum.merge(&one);
        sum.merge(&two);
        assert_eq!((sum.answered, sum.unanswered, sum.latencies.count()), (2, 1, 2));
        assert!((sum.rate() - 1.0).abs() < 1e-9 && one.is_whole() && !sum.is_whole());
        assert!(sum.text().contains("1 req/s"), "{}", sum.text());
    }
}
