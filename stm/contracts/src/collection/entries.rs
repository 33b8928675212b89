//! What all collections do alike: elements under keys, collections in elements, lengths.

use super::{Collection, CollectionId, Element, Grave, Place, check_value};
use crate::cell::{Access, Bounds, CellKey, Class, Error, Refusal, Result, count, fetch, reset};
use crate::slice::Kind;

/// An element as a contract sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A value.
    Bytes(Vec<u8>),
    /// A counter, and its sum.
    Counter(i128),
    /// A collection.
    Collection(Collection),
}

impl Entry {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Entry::Bytes(_) => Kind::Bytes,
            Entry::Counter(_) => Kind::Counter,
            Entry::Collection(collection) => collection.kind(),
        }
    }

    /// Its value, if it is one.
    pub fn bytes(self) -> std::result::Result<Vec<u8>, Refusal> {
        match self {
            Entry::Bytes(value) => Ok(value),
            other => Err(Refusal::Kind { what: "the element", is: other.kind(), asked: Kind::Bytes }),
        }
    }

    /// The collection in it, if it is one; `asked` is for the message.
    pub fn collection(self, asked: Kind) -> std::result::Result<Collection, Refusal> {
        match self {
            Entry::Collection(collection) => Ok(collection),
            other => Err(Refusal::Kind { what: "the element", is: other.kind(), asked }),
        }
    }
}

pub(crate) fn element_cell(id: &CollectionId, key: &[u8]) -> CellKey {
    CellKey::of_collection(Class::Element, &id.name, &[key])
}

pub(crate) fn length_cell(id: &CollectionId) -> CellKey {
    CellKey::of_collection(Class::Length, &id.name, &[])
}

pub(crate) fn place_cell(id: &CollectionId) -> CellKey {
    CellKey::of_collection(Class::Place, &id.name, &[])
}

pub(crate) fn length<A: Access + ?Sized>(access: &mut A, id: &CollectionId) -> Result<u64, A> {
    let cell = length_cell(id);
    let length = access.sum(&cell).map_err(Error::Access)?;
    u64::try_from(length).map_err(|_| Error::Damaged { cell, what: "a length is no natural number of 64 bits" })
}

/// What stands under a key, without the sum of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Bytes,
    Counter,
    Collection(Collection),
}

impl Found {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Found::Bytes => Kind::Bytes,
            Found::Counter => Kind::Counter,
            Found::Collection(collection) => collection.kind(),
        }
    }
}

/// What stands in a cell, and its value.
fn found<A: Access + ?Sized>(access: &mut A, id: &CollectionId, cell: &CellKey) -> Result<Option<(Found, Vec<u8>)>, A> {
    let Some(mut bytes) = fetch(access, cell)? else { return Ok(None) };
    let damaged = Error::Damaged { cell: *cell, what: "it is no element" };
    let Some(element) = Element::decode(&bytes) else { return Err(damaged) };
    let found = match element.child() {
        Some(child) => {
            let child = CollectionId::decode(cell, &id.account, &child)?;
            Found::Collection(Collection::of(element.kind, child).ok_or(damaged)?)
        }
        None if element.kind == Kind::Counter => Found::Counter,
        None => Found::Bytes,
    };
    let content = bytes.len() - element.content.len();
    bytes.drain(..content);
    Ok(Some((found, bytes)))
}

pub(crate) fn look<A: Access + ?Sized>(access: &mut A, id: &CollectionId, key: &[u8]) -> Result<Option<Found>, A> {
    Ok(found(access, id, &element_cell(id, key))?.map(|(found, _)| found))
}

pub(crate) fn get<A: Access + ?Sized>(access: &mut A, id: &CollectionId, key: &[u8]) -> Result<Option<Entry>, A> {
    let cell = element_cell(id, key);
    Ok(match found(access, id, &cell)? {
        None => None,
        Some((Found::Bytes, value)) => Some(Entry::Bytes(value)),
        Some((Found::Collection(collection), _)) => Some(Entry::Collection(collection)),
        Some((Found::Counter, _)) => {
            let sum = access.sum(&cell.with_class(Class::ElementSum)).map_err(Error::Access)?;
            Some(Entry::Counter(sum))
        }
    })
}

fn write<A: Access + ?Sized>(
    access: &mut A,
    id: &CollectionId,
    key: &[u8],
    kind: Kind,
    content: &[u8],
) -> Result<(), A> {
    let element = Element { kind, collection: id.name, key, content };
    access.set(&element_cell(id, key), &element.encode()).map_err(Error::Access)
}

/// A value under a key; the caller has seen that no counter and no collection stands there.
pub(crate) fn put_bytes<A: Access + ?Sized>(
    access: &mut A,
    id: &CollectionId,
    key: &[u8],
    value: &[u8],
) -> Result<(), A> {
    check_value(value)?;
    write(access, id, key, Kind::Bytes, value)
}

/// A counter under a key where nothing stands.
pub(crate) fn put_counter<A: Access + ?Sized>(access: &mut A, id: &CollectionId, key: &[u8]) -> Result<(), A> {
    write(access, id, key, Kind::Counter, &[])
}

/// Adds to the counter under a key.
pub(crate) fn add<A: Access + ?Sized>(
    access: &mut A,
    id: &CollectionId,
    key: &[u8],
    delta: i128,
    within: Bounds,
) -> Result<bool, A> {
    let cell = CellKey::of_collection(Class::ElementSum, &id.name, &[key]);
    access.add(&cell, delta, within).map_err(Error::Access)
}

/// A new empty collection under a key where nothing stands.
pub(crate) fn put_collection<A: Access + ?Sized>(
    access: &mut A,
    id: &CollectionId,
    key: &[u8],
    kind: Kind,
) -> Result<Collection, A> {
    let not_one = Refusal::Kind { what: "the new element", is: kind, asked: Kind::Map };
    // The kind is checked before a name is asked for: refusals change nothing.
    Collection::of(kind, *id).ok_or(not_one.clone())?;
    let child = CollectionId::made(&id.account, access.fresh().map_err(Error::Access)?);
    put_named(access, id, key, kind, &child)?;
    Ok(Collection::of(kind, child).ok_or(not_one)?)
}

/// A collection that has its name, under a key where nothing stands.
pub(crate) fn put_named<A: Access + ?Sized>(
    access: &mut A,
    id: &CollectionId,
    key: &[u8],
    kind: Kind,
    child: &CollectionId,
) -> Result<(), A> {
    let place = Place { parent: *id, key: key.to_vec() };
    access.set(&place_cell(child), &place.encode()).map_err(Error::Access)?;
    write(access, id, key, kind, &child.name)
}

/// From now on the collection stands nowhere: it is gone, and its cells wait to be freed.
fn unplace<A: Access + ?Sized>(access: &mut A, collection: Collection) -> Result<(), A> {
    let grave = Grave { id: collection.id(), kind: collection.kind() };
    access.remove(&place_cell(&grave.id)).map_err(Error::Access)?;
    access.set(&Grave::cell(&grave.id), &grave.encode()).map_err(Error::Access)
}

/// Takes away what stands under a key. False: nothing did.
pub(crate) fn take_away<A: Access + ?Sized>(access: &mut A, id: &CollectionId, key: &[u8]) -> Result<bool, A> {
    let cell = element_cell(id, key);
    match found(access, id, &cell)? {
        None => return Ok(false),
        Some((Found::Bytes, _)) => {}
        Some((Found::Counter, _)) => reset(access, &cell.with_class(Class::ElementSum))?,
        Some((Found::Collection(collection), _)) => unplace(access, collection)?,
    }
    access.remove(&cell).map_err(Error::Access)?;
    Ok(true)
}

/// Moves what stands under one key to another where nothing stands. A collection keeps its name.
pub(crate) fn shift<A: Access + ?Sized>(access: &mut A, id: &CollectionId, from: &[u8], to: &[u8]) -> Result<(), A> {
    let (old, new) = (element_cell(id, from), element_cell(id, to));
    let Some((found, content)) = found(access, id, &old)? else {
        return Err(Error::Damaged { cell: old, what: "an element below the length of its list is missing" });
    };
    match found {
        Found::Bytes => {}
        Found::Counter => {
            let (old, new) = (old.with_class(Class::ElementSum), new.with_class(Class::ElementSum));
            let sum = access.sum(&old).map_err(Error::Access)?;
            count(access, &new, sum)?;
            reset(access, &old)?;
        }
        Found::Collection(collection) => {
            let place = Place { parent: *id, key: to.to_vec() };
            access.set(&place_cell(&collection.id()), &place.encode()).map_err(Error::Access)?;
        }
    }
    access.remove(&old).map_err(Error::Access)?;
    write(access, id, to, found.kind(), &content)
}
