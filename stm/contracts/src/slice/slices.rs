//! A contract's variables, over any access.

use super::{Kind, Layout, Slice};
use crate::cell::{Access, Bounds, CellKey, Error, Refusal, Result};
use crate::collection::{Collection, CollectionId};

/// The slices of one contract.
#[derive(Clone, Copy, Debug)]
pub struct Slices<'a> {
    account: &'a [u8; 20],
    layout: &'a Layout,
}

impl<'a> Slices<'a> {
    /// Those of this account, which has this layout.
    #[must_use]
    pub const fn of(account: &'a [u8; 20], layout: &'a Layout) -> Slices<'a> {
        Slices { account, layout }
    }

    fn slice(&self, index: u32, asked: Option<Kind>) -> std::result::Result<Slice, Refusal> {
        let Some(slice) = self.layout.get(index) else {
            return Err(Refusal::NoSlice { index, slices: self.layout.len() });
        };
        match asked {
            Some(asked) if slice.kind != asked => Err(Refusal::Kind { what: "the slice", is: slice.kind, asked }),
            _ => Ok(*slice),
        }
    }

    /// The bytes of a slice, zeros if it was never written.
    pub fn read<A: Access + ?Sized>(&self, access: &mut A, index: u32, into: &mut Vec<u8>) -> Result<(), A> {
        let slice = self.slice(index, Some(Kind::Bytes))?;
        let cell = CellKey::slice(self.account, index);
        match access.get(&cell, into).map_err(Error::Access)? {
            true if into.len() == slice.length as usize => {}
            true => return Err(Error::Damaged { cell, what: "it is not as long as its slice" }),
            false => into.resize(slice.length as usize, 0),
        }
        Ok(())
    }

    /// Sets all bytes of a slice.
    pub fn write<A: Access + ?Sized>(&self, access: &mut A, index: u32, bytes: &[u8]) -> Result<(), A> {
        let Slice { length, .. } = self.slice(index, Some(Kind::Bytes))?;
        if bytes.len() != length as usize {
            return Err(Refusal::SliceLength { index, length, given: bytes.len() }.into());
        }
        access.set(&CellKey::slice(self.account, index), bytes).map_err(Error::Access)
    }

    /// Part of a slice.
    pub fn read_part<A: Access + ?Sized>(
        &self,
        access: &mut A,
        index: u32,
        offset: u32,
        length: u32,
        into: &mut Vec<u8>,
    ) -> Result<(), A> {
        let range = self.part(index, offset, length as usize)?;
        self.read(access, index, into)?;
        into.truncate(range.end);
        into.drain(..range.start);
        Ok(())
    }

    /// Sets part of a slice. The slice is the unit of conflict: the rest of it is read.
    pub fn write_part<A: Access + ?Sized>(
        &self,
        access: &mut A,
        index: u32,
        offset: u32,
        part: &[u8],
    ) -> Result<(), A> {
        let range = self.part(index, offset, part.len())?;
        let mut whole = Vec::new();
        self.read(access, index, &mut whole)?;
        whole[range].copy_from_slice(part);
        self.write(access, index, &whole)
    }

    fn part(&self, index: u32, offset: u32, part: usize) -> std::result::Result<std::ops::Range<usize>, Refusal> {
        let Slice { length, .. } = self.slice(index, Some(Kind::Bytes))?;
        let start = offset as usize;
        match start.checked_add(part) {
            Some(end) if end <= length as usize => Ok(start..end),
            _ => Err(Refusal::SlicePart { index, length, offset, part }),
        }
    }

    /// The sum in a counter's slice. Meets every addition.
    pub fn sum<A: Access + ?Sized>(&self, access: &mut A, index: u32) -> Result<i128, A> {
        self.slice(index, Some(Kind::Counter))?;
        access.sum(&CellKey::slice_sum(self.account, index)).map_err(Error::Access)
    }

    /// Adds to a counter's slice. `false`: the sum would leave the bounds, and nothing was done.
    pub fn add<A: Access + ?Sized>(&self, access: &mut A, index: u32, delta: i128, within: Bounds) -> Result<bool, A> {
        self.slice(index, Some(Kind::Counter))?;
        access.add(&CellKey::slice_sum(self.account, index), delta, within).map_err(Error::Access)
    }

    /// The collection in a slice. Touches nothing: it is there from the contract's birth to its end.
    pub fn collection(&self, index: u32) -> std::result::Result<Collection, Refusal> {
        let kind = self.slice(index, None)?.kind;
        let wrong = Refusal::Kind { what: "the slice", is: kind, asked: Kind::Map };
        Collection::of(kind, CollectionId::in_slice(self.account, index)).ok_or(wrong)
    }
}
