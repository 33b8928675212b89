//! The chain: each key knows its neighbours. `0` is the end, `1 | key` a neighbour; the two ends have cells as keys have.

use super::Index;
use crate::cell::{Access, CellKey, Class, Error, Result, fetch};

impl Index {
    fn link(&self, class: Class, key: Option<&[u8]>) -> CellKey {
        match key {
            Some(key) => CellKey::of_collection(class, &self.id.name, &[&[1], key]),
            None => CellKey::of_collection(class, &self.id.name, &[&[0]]),
        }
    }

    /// Outer none: the key is not in the chain. Inner none: the end. Of `None`, the first key.
    pub(super) fn next_of<A: Access + ?Sized>(
        &self,
        access: &mut A,
        key: Option<&[u8]>,
    ) -> Result<Option<Option<Vec<u8>>>, A> {
        self.follow(access, Class::Next, key)
    }

    /// As [`Index::next_of`], the other way. Of `None`, the last key.
    pub(super) fn previous_of<A: Access + ?Sized>(
        &self,
        access: &mut A,
        key: Option<&[u8]>,
    ) -> Result<Option<Option<Vec<u8>>>, A> {
        self.follow(access, Class::Previous, key)
    }

    fn follow<A: Access + ?Sized>(
        &self,
        access: &mut A,
        class: Class,
        key: Option<&[u8]>,
    ) -> Result<Option<Option<Vec<u8>>>, A> {
        let cell = self.link(class, key);
        let Some(mut value) = fetch(access, &cell)? else {
            // The ends of an empty chain have no cells yet.
            return Ok(if key.is_none() { Some(None) } else { None });
        };
        match value.first() {
            Some(0) if value.len() == 1 => Ok(Some(None)),
            Some(1) => {
                value.remove(0);
                Ok(Some(Some(value)))
            }
            _ => Err(Error::Damaged { cell, what: "it is no neighbour" }),
        }
    }

    fn point<A: Access + ?Sized>(
        &self,
        access: &mut A,
        class: Class,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
    ) -> Result<(), A> {
        let value = match to {
            Some(key) => [&[1], key].concat(),
            None => vec![0],
        };
        access.set(&self.link(class, from), &value).map_err(Error::Access)
    }

    pub(super) fn chain_in<A: Access + ?Sized>(
        &self,
        access: &mut A,
        before: Option<&[u8]>,
        key: &[u8],
        after: Option<&[u8]>,
    ) -> Result<(), A> {
        self.point(access, Class::Next, before, Some(key))?;
        self.point(access, Class::Previous, Some(key), before)?;
        self.point(access, Class::Next, Some(key), after)?;
        self.point(access, Class::Previous, after, Some(key))
    }

    pub(super) fn chain_out<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<(), A> {
        let (next, previous) = (self.link(Class::Next, Some(key)), self.link(Class::Previous, Some(key)));
        let missing = |cell| Error::Damaged { cell, what: "the neighbour of a key that is there is missing" };
        let after = self.next_of(access, Some(key))?.ok_or_else(|| missing(next))?;
        let before = self.previous_of(access, Some(key))?.ok_or_else(|| missing(previous))?;
        match (&before, &after) {
            // Empty again, and as if it had never been otherwise: the ends' cells go with the last key.
            (None, None) => {
                access.remove(&self.link(Class::Next, None)).map_err(Error::Access)?;
                access.remove(&self.link(Class::Previous, None)).map_err(Error::Access)?;
            }
            (before, after) => {
                self.point(access, Class::Next, before.as_deref(), after.as_deref())?;
                self.point(access, Class::Previous, after.as_deref(), before.as_deref())?;
            }
        }
        access.remove(&next).map_err(Error::Access)?;
        access.remove(&previous).map_err(Error::Access)
    }
}
