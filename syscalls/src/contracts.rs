//! What programs ask of the cell's contracts, and what they are answered: the kernel keeps both, and knows neither.
//!
//! ```text
//! submit ── ticket ─ ask ──> (fetched, executed) ── answer ─ ticket ──> wait
//! view, account, name ─ ask, and wait ──> (fetched, answered) ──────> the same call
//! ```
//!
//! Whoever drives the kernel fetches what is asked ([`crate::Kernel::poll_contracts`]) and brings the answers
//! ([`crate::Kernel::deliver_contracts`]) at points that follow from the log alone.

use crate::abi::Errno;
use crate::eventfd::EventId;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::Pid;
use std::collections::{BTreeMap, VecDeque};

/// Tickets that a process may have open.
pub const TICKETS: usize = 1024;

/// Bytes that the kernel keeps for a process: of transactions that are not executed yet, and of receipts that were not fetched. A receipt
/// that does not fit any more is brought in short ([`crate::Kernel::contract_room`]); what that takes is bounded by [`TICKETS`].
pub const TICKET_BYTES: usize = 16 << 20;

/// The number under which a process waits for an answer at once: no ticket has it.
const AT_ONCE: u32 = u32::MAX;

/// What a program asks.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Question {
    /// A transaction is to be executed.
    Submit(Vec<u8>),
    /// A function that changes nothing is to be run.
    View {
        /// Whose.
        account: [u8; 20],
        /// Which.
        function: Vec<u8>,
        /// Its arguments, encoded.
        arguments: Vec<u8>,
        /// The most that it may burn.
        gas: u64,
    },
    /// What an account has.
    Account([u8; 20]),
    /// The address of a name's account.
    Name(Vec<u8>),
}

/// Who asked, and for which ticket. Opaque: it goes back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Asker {
    pub(crate) pid: Pid,
    pub(crate) ticket: u32,
}

/// What a batch with calls has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SealedBatch {
    /// Its number.
    pub batch: u64,
    /// The root of all accounts after it.
    pub root: [u8; 32],
    /// Its digest, which covers receipts and all batches before.
    pub digest: [u8; 32],
}

/// A ticket, or a call that waits to be answered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Open {
    answer: Option<Vec<u8>>,
    /// Bytes kept for it.
    bytes: u32,
    /// Who is told of the answer besides.
    event: Option<EventId>,
}

/// All of a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Contracts {
    /// Whether the cell has contracts.
    pub(crate) served: bool,
    pub(crate) sealed: Option<SealedBatch>,
    questions: VecDeque<(Asker, Question)>,
    open: BTreeMap<Asker, Open>,
}

impl Contracts {
    /// Bytes that an answer may have so that no more than [`TICKET_BYTES`] are kept for the process.
    pub(crate) fn room(&self, asker: Asker) -> usize {
        let pid = asker.pid;
        let all = self.open.range(Asker { pid, ticket: 0 }..Asker { pid, ticket: AT_ONCE });
        let others: usize = all.filter(|(at, _)| **at != asker).map(|(_, open)| open.bytes as usize).sum();
        TICKET_BYTES.saturating_sub(others)
    }

    /// An eventfd is closed: nobody is told through it any more, nor through the next one that has its place.
    pub(crate) fn event_closed(&mut self, event: EventId) {
        for open in self.open.values_mut().filter(|open| open.event == Some(event)) {
            open.event = None;
        }
    }

    /// A ticket for a transaction: the lowest free number.
    ///
    /// # Errors
    /// When the process has too many, or too much is kept for it.
    pub(crate) fn submit(&mut self, pid: Pid, transaction: Vec<u8>, event: Option<EventId>) -> Result<u32, Errno> {
        let all = self.open.range(Asker { pid, ticket: 0 }..Asker { pid, ticket: AT_ONCE });
        let (mut free, mut kept) = (0, transaction.len());
        for (asker, open) in all {
            free += u32::from(asker.ticket == free);
            kept += open.bytes as usize;
        }
        if free as usize >= TICKETS {
            return Err(Errno::MFile);
        }
        if kept > TICKET_BYTES {
            return Err(Errno::NoBufs);
        }
        let asker = Asker { pid, ticket: free };
        self.open.insert(asker, Open { answer: None, bytes: transaction.len() as u32, event });
        self.questions.push_back((asker, Question::Submit(transaction)));
        Ok(free)
    }

    /// The answer of a ticket. The outer one is none when there is no such ticket, the inner one as long as it has no answer.
    pub(crate) fn answer(&self, pid: Pid, ticket: u32) -> Option<Option<&[u8]>> {
        let open = self.open.get(&Asker { pid, ticket }).filter(|_| ticket != AT_ONCE)?;
        Some(open.answer.as_deref())
    }

    /// Gives a ticket back.
    pub(crate) fn close(&mut self, pid: Pid, ticket: u32) {
        self.open.remove(&Asker { pid, ticket });
    }

    /// Asks what the process waits for at once, or takes the answer if it has asked already.
    pub(crate) fn at_once(&mut self, pid: Pid, question: impl FnOnce() -> Question) -> Option<Vec<u8>> {
        let asker = Asker { pid, ticket: AT_ONCE };
        match self.open.get_mut(&asker) {
            Some(open) => {
                let answer = open.answer.take()?;
                self.open.remove(&asker);
                Some(answer)
            }
            None => {
                self.open.insert(asker, Open { answer: None, bytes: 0, event: None });
                self.questions.push_back((asker, question()));
                None
            }
        }
    }

    /// Whether the process has asked something at once already.
    pub(crate) fn has_asked(&self, pid: Pid) -> bool {
        self.open.contains_key(&Asker { pid, ticket: AT_ONCE })
    }

    pub(crate) fn poll(&mut self) -> Option<(Asker, Question)> {
        self.questions.pop_front()
    }

    /// An answer has come. None when nobody waits for it any more; otherwise who is to be told besides.
    pub(crate) fn deliver(&mut self, asker: Asker, answer: Vec<u8>) -> Option<Option<EventId>> {
        let open = self.open.get_mut(&asker)?;
        open.bytes = answer.len() as u32;
        open.answer = Some(answer);
        Some(open.event)
    }

    /// A process has ended. What it has submitted is executed nevertheless: it was said.
    pub(crate) fn forget(&mut self, pid: Pid) {
        let own = self.open.range(Asker { pid, ticket: 0 }..=Asker { pid, ticket: AT_ONCE });
        let own: Vec<Asker> = own.map(|(asker, _)| *asker).collect();
        for asker in own {
            self.open.remove(&asker);
        }
        self.questions.retain(|(asker, question)| asker.pid != pid || matches!(question, Question::Submit(_)));
    }
}

impl Asker {
    /// Whether this is what a process waits for that waits for a ticket, or, with none, to be answered at once.
    pub(crate) fn is(self, pid: Pid, ticket: Option<u32>) -> bool {
        self.pid == pid && self.ticket == ticket.unwrap_or(AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_the_lowest_free_numbers_of_a_process() {
        let mut all = Contracts::default();
        for expected in 0..3 {
            assert_eq!(all.submit(Pid(1), vec![], None), Ok(expected));
        }
        assert_eq!(all.submit(Pid(2), vec![], None), Ok(0));
        all.close(Pid(1), 1);
        assert_eq!(all.submit(Pid(1), vec![], None), Ok(1));
        for expected in 3..TICKETS as u32 {
            assert_eq!(all.submit(Pid(1), vec![], None), Ok(expected));
        }
        assert_eq!(all.submit(Pid(1), vec![], None), Err(Errno::MFile));
        assert_eq!(
            (all.answer(Pid(1), 5), all.answer(Pid(2), 5), all.answer(Pid(1), AT_ONCE)),
            (Some(None), None, None)
        );
    }

    #[test]
    fn what_is_kept_for_a_process_is_bounded() {
        let mut all = Contracts::default();
        assert_eq!(all.submit(Pid(1), vec![0; TICKET_BYTES - 5], None), Ok(0));
        assert_eq!(all.submit(Pid(1), vec![0; 6], None), Err(Errno::NoBufs));
        assert_eq!(all.submit(Pid(1), vec![0; 5], None), Ok(1));
        assert_eq!(all.submit(Pid(2), vec![0; 5], None), Ok(0), "another has room of its own");
        let (first, _) = all.poll().unwrap();
        all.deliver(first, vec![0; 100]);
        assert_eq!(all.submit(Pid(1), vec![0; 1000], None), Ok(2), "it was executed, and its receipt is shorter");
    }

    #[test]
    fn an_answer_has_the_room_that_the_others_leave() {
        let mut all = Contracts::default();
        assert!(all.submit(Pid(1), vec![0; 100], None).is_ok());
        assert!(all.submit(Pid(1), vec![0; 7], None).is_ok());
        assert!(all.submit(Pid(2), vec![0; 1000], None).is_ok());
        let asked: Vec<Asker> = std::iter::from_fn(|| all.poll()).map(|(asker, _)| asker).collect();
        assert_eq!((all.room(asked[0]), all.room(asked[1])), (TICKET_BYTES - 7, TICKET_BYTES - 100));
        all.deliver(asked[0], vec![0; TICKET_BYTES - 7]);
        assert_eq!(all.room(asked[1]), 7);
        all.deliver(asked[1], vec![0; 8]);
        assert_eq!(all.room(asked[0]), TICKET_BYTES - 8);
        assert_eq!(all.room(asked[2]), TICKET_BYTES, "another has room of its own");
    }

    #[test]
    fn a_closed_counter_is_told_nothing() {
        let mut all = Contracts::default();
        for event in [None, Some(EventId(3)), Some(EventId(4))] {
            assert!(all.submit(Pid(1), vec![], event).is_ok());
        }
        all.event_closed(EventId(3));
        let asked: Vec<Asker> = std::iter::from_fn(|| all.poll()).map(|(asker, _)| asker).collect();
        let told: Vec<_> = asked.into_iter().map(|asker| all.deliver(asker, vec![]).flatten()).collect();
        assert_eq!(told, [None, None, Some(EventId(4))]);
    }

    #[test]
    fn nothing_is_left_of_a_process_but_what_it_has_submitted() {
        let mut all = Contracts::default();
        assert!(all.submit(Pid(1), vec![1], None).is_ok());
        all.at_once(Pid(1), || Question::Account([0; 20]));
        assert!(all.submit(Pid(2), vec![2], None).is_ok());
        assert!(all.has_asked(Pid(1)) && !all.has_asked(Pid(2)));
        all.forget(Pid(1));
        let mut rest = Vec::new();
        while let Some((asker, question)) = all.poll() {
            rest.push(question);
            assert_eq!(all.deliver(asker, vec![9]).is_some(), asker.pid == Pid(2));
        }
        assert_eq!(rest, [Question::Submit(vec![1]), Question::Submit(vec![2])]);
        assert_eq!(all.answer(Pid(2), 0), Some(Some(&[9][..])));
        all.close(Pid(2), 0);
        assert!(all.open.is_empty());
    }
}
