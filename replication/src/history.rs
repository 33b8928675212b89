//! What a log amounts to at its last entry that is known to be agreed on: the end of the cell's history there, and the members.
//! Pure.
//!
//! Found while the log is read at a start, so that the node can take part at once: the engine is told that all of this has
//! been applied, and the machine above executes it in its own time (see `feed`).

use bytes::Bytes;
use replicode_log::Tip;
use replicode_store::record::{Body, Entry, EntryId, Item};
use std::collections::VecDeque;

/// An entry, and what the log amounts to with it.
#[derive(Clone, Copy, Debug)]
struct Step {
    id: EntryId,
    tip: Tip,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    genesis: Tip,
    /// The last entry that is agreed on.
    agreed: Option<Step>,
    /// Entries after it. Few: what is agreed on is noted with nearly every write.
    after: VecDeque<Step>,
    /// Sets of members, with their entries: the last one that is agreed on, and those after it.
    members: VecDeque<(EntryId, Bytes)>,
    /// Agreed on, by a note that names an entry which has not come by yet.
    noted: Option<EntryId>,
    /// Whether the log begins at its beginning and takes back nothing that was agreed on.
    sound: bool,
}

/// A log's end, as far as it is known to be agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The last entry; `None`: nothing is known to be agreed on.
    pub last: Option<EntryId>,
    /// The end of history there.
    pub tip: Tip,
    /// The set of members there, in the engine's encoding, with its entry.
    pub members: Option<(EntryId, Bytes)>,
}

impl History {
    /// Of an empty log.
    #[must_use]
    pub const fn new(genesis: Tip) -> Self {
        Self { genesis, agreed: None, after: VecDeque::new(), members: VecDeque::new(), noted: None, sound: true }
    }

    /// Follows the next record.
    pub fn handle_item(&mut self, item: &Item) {
        match item {
            Item::Entry(entry) => self.entry(entry),
            Item::Truncate(from) => self.truncate(*from),
            Item::Committed(id) => {
                self.noted = self.noted.max(Some(*id));
                self.settle();
            }
            // What comes before is not in this log.
            Item::Purge(_) => self.sound = false,
            Item::Vote(_) => {}
        }
    }

    fn last(&self) -> Option<&Step> {
        self.after.back().or(self.agreed.as_ref())
    }

    fn entry(&mut self, Entry { id, body }: &Entry) {
        self.sound &= id.index == self.last().map_or(0, |last| last.id.index + 1);
        let before = self.last().map_or(self.genesis, |last| last.tip);
        let tip = match body {
            Body::Batch(encoded) => before.advance(encoded).unwrap_or(before),
            Body::Membership(encoded) => {
                self.members.push_back((*id, encoded.clone()));
                before
            }
            Body::Blank => before,
        };
        self.after.push_back(Step { id: *id, tip });
        if self.noted == Some(*id) {
            self.settle();
        }
    }

    fn truncate(&mut self, from: u64) {
        self.sound &= self.agreed.is_none_or(|agreed| agreed.id.index < from);
        while self.after.pop_back_if(|step| step.id.index >= from).is_some() {}
        while self.members.pop_back_if(|(id, _)| id.index >= from).is_some() {}
    }

    /// Everything up to what was noted is agreed on, if that is an entry of this log.
    fn settle(&mut self) {
        let Some(noted) = self.noted else { return };
        let Some(first) = self.after.front().map(|step| step.id.index) else { return };
        let at = noted.index.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let Some(at) = at.filter(|at| self.after.get(*at).is_some_and(|step| step.id == noted)) else { return };
        self.agreed = self.after.drain(..=at).next_back();
        while self.members.get(1).is_some_and(|(id, _)| id.index <= noted.index) {
            self.members.pop_front();
        }
    }

    /// What has come by so far amounts to this.
    #[must_use]
    pub fn agreed(&self) -> Agreed {
        match self.agreed.filter(|_| self.sound) {
            None => Agreed { last: None, tip: self.genesis, members: None },
            Some(Step { id, tip }) => {
                let members = self.members.front().filter(|(at, _)| at.index <= id.index).cloned();
                Agreed { last: Some(id), tip, members }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{Batch, BatchHeader, Digest, LogicalTime};

    fn id(term: u64, index: u64) -> EntryId {
        EntryId { term, index }
    }

    fn genesis() -> Tip {
        Tip::genesis(Digest::of(b"config"))
    }

    /// An entry with the batch after `tip`, and the tip with it.
    fn batch(at: EntryId, tip: Tip) -> (Item, Tip) {
        let time = LogicalTime::from_nanos(tip.time.nanos() + 1 + at.term);
        let header = BatchHeader { index: tip.index.next(), time, seed: 0, parent: tip.content };
        let encoded = Bytes::from(Batch { header, sections: Vec::new() }.encode());
        let Some(tip) = tip.advance(&encoded) else { unreachable!("it continues the history") };
        (Item::Entry(Entry { id: at, body: Body::Batch(encoded) }), tip)
    }

    fn members(at: EntryId) -> Item {
        Item::Entry(Entry { id: at, body: Body::Membership(Bytes::from(vec![at.index as u8])) })
    }

    fn of(items: &[Item]) -> Agreed {
        let mut history = History::new(genesis());
        items.iter().for_each(|item| history.handle_item(item));
        history.agreed()
    }

    #[test]
    fn it_ends_where_the_last_note_says_and_not_where_the_log_does() {
        let (one, tip_one) = batch(id(1, 1), genesis());
        let (two, _) = batch(id(1, 2), tip_one);
        let log = [members(id(1, 0)), one, Item::Committed(id(1, 1)), two, members(id(1, 3))];
        let members = Some((id(1, 0), Bytes::from_static(&[0])));
        assert_eq!(of(&log), Agreed { last: Some(id(1, 1)), tip: tip_one, members });
        assert_eq!(of(&log[..2]), Agreed { last: None, tip: genesis(), members: None });
    }

    #[test]
    fn what_was_taken_back_does_not_count_and_what_fits_nowhere_is_passed_over() {
        let (one, tip_one) = batch(id(1, 0), genesis());
        let (lost, _) = batch(id(1, 1), tip_one);
        let (two, tip_two) = batch(id(2, 1), tip_one);
        let repeat = Item::Entry(Entry { id: id(2, 2), body: of_item(&one) });
        let log = [
            one,
            lost,
            members(id(1, 2)),
            Item::Truncate(1),
            two,
            repeat,
            Item::Entry(Entry { id: id(2, 3), body: Body::Blank }),
            Item::Committed(id(2, 3)),
        ];
        assert_eq!(of(&log), Agreed { last: Some(id(2, 3)), tip: tip_two, members: None });
    }

    fn of_item(item: &Item) -> Body {
        let Item::Entry(entry) = item else { unreachable!("it is an entry") };
        entry.body.clone()
    }

    #[test]
    fn a_note_counts_once_its_entry_is_there_and_only_for_that_one() {
        let (one, tip_one) = batch(id(1, 0), genesis());
        let agreed = Agreed { last: Some(id(1, 0)), tip: tip_one, members: None };
        assert_eq!(of(&[Item::Committed(id(1, 0)), one.clone()]), agreed);
        assert_eq!(of(&[Item::Committed(id(2, 0)), one]).last, None, "an entry of another term");
    }

    #[test]
    fn of_several_sets_of_members_the_last_agreed_one_counts() {
        let log = [members(id(1, 0)), members(id(1, 1)), members(id(1, 2)), Item::Committed(id(1, 1))];
        assert_eq!(of(&log).members, Some((id(1, 1), Bytes::from_static(&[1]))));
    }

    #[test]
    fn a_log_without_its_beginning_or_that_took_back_what_was_agreed_on_tells_nothing() {
        let (one, _) = batch(id(1, 0), genesis());
        let (late, _) = batch(id(1, 5), genesis());
        assert_eq!(of(&[late, Item::Committed(id(1, 5))]).last, None);
        assert_eq!(of(&[one, Item::Committed(id(1, 0)), Item::Truncate(0)]).last, None);
    }
}
