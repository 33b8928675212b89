//! What kernel, NAT table, machine and engine answer, as one digest: that of the results of the golden recordings.
//!
//! The list names every recording with the digest of its history. It is written by `tests/golden.sh bless` and compared
//! with the code by every test run, so whatever changes an answer changes the digest, and nobody has to remember to say
//! so. The digest is part of the engine fingerprint: nodes that would answer differently refuse each other, and a log is
//! executed again by what recorded it.
//!
//! The recordings themselves carry a stand-in for the fingerprint; otherwise their results would depend on themselves.

use replicode_log::Digest;

/// The list, as it stands in the source tree.
const RESULTS: &str = include_str!("../../../tests/golden/results.txt");

/// The line of the list behind which recordings stand that were added after the last change of any result. They show
/// more of the same behaviour, and so are not part of its digest.
pub const SINCE: &str = "# since";

/// The behaviour of this program.
#[must_use]
pub fn digest() -> Digest {
    of(RESULTS)
}

/// The behaviour that a list stands for: the digest of its lines, comments left out, up to the [`SINCE`] line.
#[must_use]
pub fn of(list: &str) -> Digest {
    let lines = list.lines().take_while(|line| !line.starts_with(SINCE)).filter(|line| !line.starts_with('#'));
    Digest::of(lines.flat_map(|line| [line, "\n"]).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_later_recordings_do_not_matter() {
        let base = of("a 1\nb 2\n");
        assert_eq!(of("# words\na 1\nb 2\n# since then\nc 3\n"), base);
        assert_ne!(of("a 1\nb 3\n"), base);
        assert_ne!(of("a 1\nb 2\nc 3\n"), base);
    }
}
