//! Where programs' standard output and error go, as a value: whoever has the files and descriptors writes.
//!
//! A node that starts again executes its log anew, and everything that its programs have ever printed comes by again. Files
//! know how much of it they have; a terminal does not, so it is told only what is new.

use replicode_log::ConsoleStream;

/// The place for console output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// The streams of whoever started the node (`run`).
    Host,
    /// Files that every node keeps (`node`).
    Files,
}

/// What is to be written to the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    /// Which of its two streams.
    pub stream: ConsoleStream,
    /// The bytes, as they are.
    pub bytes: Vec<u8>,
}

impl Console {
    /// What follows from what a program wrote. `new` says that the batch was executed for the first time in this cell's
    /// history as far as this node can tell, that is, after its own boot.
    #[must_use]
    pub fn print(self, stream: ConsoleStream, bytes: Vec<u8>, new: bool) -> Option<Print> {
        (new || self == Self::Files).then_some(Print { stream, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sees_what_is_new_and_files_see_everything() {
        let print = |console: Console, new| console.print(ConsoleStream::Stderr, b"oh".to_vec(), new);
        let told = || Some(Print { stream: ConsoleStream::Stderr, bytes: b"oh".to_vec() });
        assert_eq!((print(Console::Host, false), print(Console::Host, true)), (None, told()));
        assert_eq!((print(Console::Files, false), print(Console::Files, true)), (told(), told()));
    }
}
