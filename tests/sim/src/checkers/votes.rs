//! Votes, and what is said of them before: nobody votes for one who lacks what he himself holds and what is agreed on (the election
//! restriction, from which leader completeness follows), in a pre-vote neither.

use replicode_log::NodeId;
use replicode_store::record::EntryId;

/// Whether a vote for somebody whose last entry is `last` may be given by one who holds `agreed`, the last entry on his disk that
/// all have agreed on.
///
/// # Errors
/// It may not.
pub fn restriction(by: NodeId, pre: bool, last: Option<EntryId>, agreed: Option<EntryId>) -> Result<(), String> {
    if last < agreed {
        let what = if pre { "would vote" } else { "votes" };
        return Err(format!(
            "it {what} for {by}, whose last entry is {last:?}, and holds {agreed:?}, which was agreed on"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_votes_for_one_who_lacks_what_was_agreed_on() {
        let by = NodeId::new(2).unwrap();
        let id = |term, index| Some(EntryId { term, index });
        assert!(restriction(by, true, None, None).is_ok());
        assert!(restriction(by, true, id(2, 5), id(2, 5)).is_ok());
        assert!(restriction(by, false, id(3, 4), id(2, 5)).is_ok(), "a later term");
        assert!(restriction(by, false, id(2, 4), id(2, 5)).is_err());
        assert!(restriction(by, true, None, id(1, 0)).is_err());
    }
}
