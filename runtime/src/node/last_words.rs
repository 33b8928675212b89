//! The last lines that a process printed to its standard error: why a program ended stands there, more often than not.
//!
//! Kept by the node for whoever looks at an end, and no part of the cell's state: a start that executes the log again
//! has them again.

/// Bytes that are kept of one process.
const BYTES: usize = 2 << 10;
/// Lines that are told.
const LINES: usize = 10;

/// The tail of what a process printed.
#[derive(Clone, Debug, Default)]
pub struct LastWords {
    tail: Vec<u8>,
    /// Something before the tail is gone, so its first line is not whole.
    cut: bool,
}

impl LastWords {
    /// The process printed this.
    pub fn push(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(BYTES)..];
        let surplus = (self.tail.len() + new.len()).saturating_sub(BYTES);
        self.cut |= surplus > 0 || new.len() < bytes.len();
        self.tail.drain(..surplus);
        self.tail.extend_from_slice(new);
    }

    /// The last lines, fit for a terminal: no control characters, and each a line of text whatever it was.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let mut lines: Vec<&str> = text.lines().collect();
        if self.cut && lines.len() > 1 {
            lines.remove(0);
        }
        lines.retain(|line| !line.trim().is_empty());
        let skip = lines.len().saturating_sub(LINES);
        let clean = |line: &&str| line.trim_end().replace('\t', "    ").replace(char::is_control, "\u{fffd}");
        lines.iter().skip(skip).map(clean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pieces: &[&[u8]]) -> Vec<String> {
        let mut words = LastWords::default();
        pieces.iter().for_each(|piece| words.push(piece));
        words.lines()
    }

    #[test]
    fn the_last_whole_lines_are_kept() {
        assert!(said(&[]).is_empty());
        assert_eq!(said(&[b"cannot ", b"bind\n\n", b"\x1b[1mbye"]), ["cannot bind", "\u{fffd}[1mbye"]);
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n:04}\n")).collect();
        let pieces: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let found = said(&pieces);
        assert_eq!((found.len(), found[0].as_str(), found[9].as_str()), (LINES, "line 0990", "line 0999"));
        assert_eq!(said(&[lines.concat().as_bytes()]), found);
        // A line without end is shown as far as it is kept.
        assert_eq!(said(&[&[b'x'; 5000]]), ["x".repeat(BYTES)]);
        assert_eq!(said(&[b"\xff\xfe"]), ["\u{fffd}\u{fffd}"]);
    }
}
