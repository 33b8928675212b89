//! Dropping a block's values off the critical path.
//!
//! The values of versions that lost, and those that committed ones replaced, die when their block is over. Dropping
//! them is the caller's time if done at once; so the arena that holds them is exchanged for a clean one and goes to a
//! helper thread, which brings it back clean. At most one arena per column is away: if it is not back when the next
//! block ends, that block's values are dropped on the spot, so garbage cannot pile up.

use crate::arena::Arena;
use crate::sync::{Mutex, lock};
use std::sync::{Arc, OnceLock};

/// Work that anybody may do, any time.
pub(crate) type Chore = Box<dyn FnOnce() + Send>;

/// Fewer values than this are dropped on the spot.
const WORTH: usize = 256;

/// Where a column's second arena is.
pub(crate) struct Spare<T> {
    clean: Arc<Mutex<Option<Arena<OnceLock<T>>>>>,
}

impl<T: Send + Sync + 'static> Spare<T> {
    pub(crate) fn new() -> Self {
        Spare { clean: Arc::new(Mutex::new(Some(Arena::new(1)))) }
    }

    /// Empties `arena`, and `old` with it: at once, or by a chore.
    pub(crate) fn empty(&self, arena: &mut Arena<OnceLock<T>>, old: &mut Vec<T>) -> Option<Chore> {
        let many = arena.used() + old.len() > WORTH;
        let Some(clean) = many.then(|| lock(&self.clean).take()).flatten() else {
            old.clear();
            wash(arena);
            return None;
        };
        let mut dirty = std::mem::replace(arena, clean);
        let old = std::mem::take(old);
        let home = self.clean.clone();
        Some(Box::new(move || {
            drop(old);
            wash(&mut dirty);
            *lock(&home) = Some(dirty);
        }))
    }
}

fn wash<T>(arena: &mut Arena<OnceLock<T>>) {
    for slot in arena.used_mut() {
        slot.take();
    }
    arena.rewind();
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn one_arena_is_away_at_most() {
        let token = Arc::new(());
        let spare = Spare::new();
        let mut arena: Arena<OnceLock<Arc<()>>> = Arena::new(1);
        let fill = |arena: &Arena<OnceLock<Arc<()>>>| {
            (0..1_000).for_each(|_| {
                let _ = arena.get(arena.claim(1)).set(token.clone());
            });
        };
        fill(&arena);
        let mut old = vec![token.clone()];
        let chore = spare.empty(&mut arena, &mut old);
        assert!(old.is_empty() && Arc::strong_count(&token) == 1_002, "nothing is dropped yet");
        fill(&arena);
        assert!(spare.empty(&mut arena, &mut old).is_none(), "the other arena is away: dropped on the spot");
        assert_eq!(Arc::strong_count(&token), 1_002);
        assert!(chore.is_some());
        chore.into_iter().for_each(|c| c());
        assert_eq!(Arc::strong_count(&token), 1);
        fill(&arena);
        assert!(spare.empty(&mut arena, &mut old).is_some(), "and back again");
    }
}
