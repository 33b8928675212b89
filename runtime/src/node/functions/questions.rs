//! Questions that wait for the one thread that answers them: so many at most, none longer than whoever asks does, and none that was given up.

use super::desk::Line;
use replicode_contracts::functions::Request;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Questions that may wait.
const MOST: usize = 256;
/// Bytes of their requests, about.
const MOST_BYTES: usize = 32 << 20;

/// A question, and who wants to know.
pub struct Question {
    /// The way back.
    pub line: Arc<Line>,
    /// The asker's number for it.
    pub tag: u64,
    /// What is asked.
    pub request: Request,
    /// Bytes that it came in.
    pub bytes: usize,
    /// When nobody waits for the answer any more.
    pub until: Instant,
}

/// See the module.
#[derive(Default)]
pub struct Questions {
    queue: Mutex<Queue>,
    /// There is one, or there will be none any more.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Question>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    fn take(&mut self) -> Option<Question> {
        let question = self.waiting.pop_front()?;
        self.bytes -= question.bytes;
        Some(question)
    }

    fn drop_those(&mut self, gone: impl Fn(&Question) -> bool) {
        self.waiting.retain(|question| !gone(question));
        self.bytes = self.waiting.iter().map(|question| question.bytes).sum();
    }
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Whole at every moment at which its holder could panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question waits. False: too many do already, or nobody answers any more.
    #[must_use]
    pub fn put(&self, question: Question) -> bool {
        let mut queue = self.lock();
        if queue.waiting.len() >= MOST || queue.bytes.saturating_add(question.bytes) > MOST_BYTES {
            // Those that nobody waits for are no reason to refuse one.
            let now = Instant::now();
            queue.drop_those(|waiting| waiting.until <= now);
        }
        let full = queue.waiting.len() >= MOST || queue.bytes.saturating_add(question.bytes) > MOST_BYTES;
        if full || queue.closed {
            return false;
        }
        queue.bytes += question.bytes;
        queue.waiting.push_back(question);
        drop(queue);
        self.changed.notify_one();
        true
    }

    /// Whoever asked this does not want to know any more.
    pub fn give_up(&self, line: &Arc<Line>, tag: u64) {
        self.lock().drop_those(|waiting| waiting.tag == tag && Arc::ptr_eq(&waiting.line, line));
    }

    /// Nor does anybody on this line.
    pub fn leave(&self, line: &Arc<Line>) {
        self.lock().drop_those(|waiting| Arc::ptr_eq(&waiting.line, line));
    }

    /// The next one that somebody waits for, once there is one; none after the end.
    #[must_use]
    pub fn next(&self) -> Option<Question> {
        let mut queue = self.lock();
        loop {
            match queue.take() {
                _ if queue.closed => return None,
                Some(question) if question.until > Instant::now() => return Some(question),
                Some(_) => {}
                None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Nobody answers any more.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.drop_those(|_| true);
        drop(queue);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn questions_are_bounded_and_nobody_answers_who_has_gone() -> std::io::Result<()> {
        let (one, other) = UnixStream::pair()?;
        let (line, second) = (Arc::new(Line::new(one)), Arc::new(Line::new(other)));
        let questions = Questions::default();
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
        let ask = |line: &Arc<Line>, tag, until, bytes| {
            questions.put(Question { line: line.clone(), tag, request: Request::List, bytes, until })
        };
        assert!(
            ask(&line, 1, later, 10)
                && ask(&line, 2, now, 10)
                && ask(&line, 3, later, 10)
                && ask(&second, 3, later, 10)
        );
        questions.give_up(&line, 3);
        let next = || questions.next().map(|question| (Arc::ptr_eq(&question.line, &line), question.tag));
        assert_eq!(next(), Some((true, 1)));
        assert_eq!(next(), Some((false, 3)), "2 was late, 3 of the other line is another one");
        // By number, and by bytes; what is late makes room.
        assert!((0..MOST as u64).all(|tag| ask(&line, tag, later, 1)));
        assert!(!ask(&line, 900, later, 1));
        questions.leave(&line);
        assert!(ask(&second, 1, now, MOST_BYTES));
        assert!(ask(&second, 2, later, MOST_BYTES - 1) && !ask(&second, 3, later, 2));
        questions.close();
        assert!(questions.next().is_none() && !ask(&second, 4, later, 1));
        Ok(())
    }
}
