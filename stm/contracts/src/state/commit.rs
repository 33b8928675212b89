//! The commit: collections innermost first, then slices, pages and contracts.

use std::collections::{BTreeMap, BTreeSet};

use super::content::{ElementContent, ElementValue, tree};
use super::{Changes, Fault};
use crate::cell::{CellKey, Class};
use crate::collection::{CollectionId, Element, Grave, Place, element_cell, place_cell};
use crate::hash::{self, Hash};
use crate::page::{self, PageError, PageSource};
use crate::slice::{Kind, Layout, SliceCache};
use crate::tree::{Change, Forest, Name};

/// The cells that are stored.
pub trait Stored {
    /// A cell with bytes.
    fn cell(&mut self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault>;

    /// A sum.
    fn sum(&mut self, key: &CellKey) -> Result<i128, Fault>;
}

/// What was stored before the changes.
pub trait Source: Stored {
    /// The layout of an account's slices; none if it is no contract.
    fn layout(&mut self, account: &[u8; 20]) -> Result<Option<Layout>, Fault>;

    /// The content of a page as these trees have it; what is missing at its end is zero.
    fn page(&mut self, forest: &Forest, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError>;
}

struct PagesOf<'a, S> {
    source: &'a mut S,
    forest: &'a Forest,
}

impl<S: Source> PageSource for PagesOf<'_, S> {
    fn load(&mut self, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError> {
        self.source.page(self.forest, account, index)
    }
}

/// A leaf that has changed, with what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// In which tree.
    pub name: Name,
    /// Where in it.
    pub key: Hash,
    /// The hash of what stood there.
    pub old: Option<Hash>,
    /// Hash and bytes of what stands there now.
    pub new: Option<(Hash, Vec<u8>)>,
}

/// What a commit has come to. The trees have it already; the store below has yet to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The new states of the contracts whose storage has changed.
    pub states: BTreeMap<[u8; 20], Hash>,
    /// All leaves that have changed, innermost collections first.
    pub contents: Vec<Content>,
}

/// Computes all states that follow from the changes and puts them into the trees. One call is one batch: states that were committed
/// before in the same batch are replaced.
///
/// Dirty pages stay dirty in `slices` until the caller has stored them ([`SliceCache::committed`]). After a fault the caller drops what is
/// in `slices` and `forest` and does not go on.
pub fn commit(
    forest: &mut Forest,
    slices: &mut SliceCache,
    source: &mut impl Source,
    changes: &Changes<'_>,
) -> Result<Committed, Fault> {
    let mut after = After { source, changes };
    let mut committed = Committed::default();
    let states = collections(forest, &mut after, &mut committed)?;
    contracts(forest, slices, &mut after, states, &mut committed)?;
    Ok(committed)
}

/// The store as it is with the changes.
struct After<'a, 'c, S> {
    source: &'a mut S,
    changes: &'a Changes<'c>,
}

impl<S: Source> After<'_, '_, S> {
    fn cell(&mut self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        match self.changes.of(key) {
            Some(change) => Ok(change.new.map(<[u8]>::to_vec)),
            None => self.source.cell(key),
        }
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Fault> {
        match self.changes.of_sum(key) {
            Some(change) => Ok(change.new),
            None => self.source.sum(key),
        }
    }

    /// Whose a collection is, and the element that it stands in, if it was made at run time and not removed.
    fn stands(&mut self, name: &[u8; 32]) -> Result<(CollectionId, Option<Place>), Fault> {
        if let Some((account, _)) = CollectionId::slice_of(name) {
            return Ok((CollectionId { account, name: *name }, None));
        }
        let unknown = CollectionId { account: [0; 20], name: *name };
        let place = place_cell(&unknown);
        let bad = |cell, what| Fault::Cell { cell, what };
        if let Some(bytes) = self.cell(&place)? {
            let place = Place::decode(&bytes).ok_or(bad(place, "it is no place of a collection"))?;
            return Ok((CollectionId { account: place.parent.account, name: *name }, Some(place)));
        }
        // Removed, and perhaps swept by these very changes: then the grave was there before them.
        let cell = Grave::cell(&unknown);
        let grave = match (self.cell(&cell)?, self.changes.of(&cell).and_then(|change| change.old)) {
            (Some(grave), _) => Grave::decode(&grave),
            (None, Some(grave)) => Grave::decode(grave),
            (None, None) => None,
        };
        Ok((grave.ok_or(bad(cell, "a collection stands nowhere and has no grave"))?.id, None))
    }
}

/// A collection with elements that have changed.
struct Touched {
    id: CollectionId,
    place: Option<Place>,
    keys: BTreeSet<Vec<u8>>,
    /// Touched collections directly in it whose state is yet to come.
    waits: usize,
}

/// The states of all collections in slices that have changed, by account and slice.
type InSlices = BTreeMap<([u8; 20], u32), Hash>;

fn collections<S: Source>(
    forest: &mut Forest,
    after: &mut After<'_, '_, S>,
    committed: &mut Committed,
) -> Result<InSlices, Fault> {
    let mut touched = touched(after)?;
    let mut in_slices = InSlices::new();
    let mut ready: Vec<[u8; 32]> =
        touched.iter().filter(|(_, touched)| touched.waits == 0).map(|(name, _)| *name).collect();
    let mut left = touched.len();
    // One round a depth, from the innermost out.
    while !ready.is_empty() {
        left -= ready.len();
        let mut round = BTreeMap::new();
        for name in &ready {
            if let Some(touched) = touched.get(name) {
                round.insert(tree(&touched.id), leaves(forest, after, touched, committed)?);
            }
        }
        let round: Vec<(Name, Vec<Change>)> = round.into_iter().collect();
        forest.update_all(&round)?;
        let mut next = Vec::new();
        for name in ready {
            let Some(Touched { id, place, .. }) = touched.get(&name) else { continue };
            let parent = place.as_ref().map(|place| place.parent.name);
            if let Some((account, index)) = CollectionId::slice_of(&name) {
                in_slices.insert((account, index), forest.root(&tree(id)));
            }
            if let Some(parent) = parent
                && let Some(above) = touched.get_mut(&parent)
            {
                above.waits -= 1;
                if above.waits == 0 {
                    next.push(parent);
                }
            }
        }
        ready = next;
    }
    if left > 0 {
        let inside_itself =
            touched.iter().find(|(_, touched)| touched.waits > 0).map(|(_, touched)| place_cell(&touched.id));
        return Err(Fault::Cell {
            cell: inside_itself.unwrap_or(CellKey([0; 32])),
            what: "a collection stands in itself",
        });
    }
    Ok(in_slices)
}

/// All collections with changed elements, and those around them.
fn touched<S: Source>(after: &mut After<'_, '_, S>) -> Result<BTreeMap<[u8; 32], Touched>, Fault> {
    let mut elements: Vec<([u8; 32], Vec<u8>)> = Vec::new();
    let decode = |cell: CellKey, bytes: &[u8]| {
        let element = Element::decode(bytes).ok_or(Fault::Cell { cell, what: "it is no element" })?;
        Ok::<_, Fault>((element.collection, element.key.to_vec()))
    };
    for change in after.changes.bytes() {
        if change.key.class() == Some(Class::Element) {
            // One of the two is there, or nothing would have changed; both name the same collection and key.
            elements.push(decode(change.key, change.new.or(change.old).unwrap_or_default())?);
        }
    }
    for change in after.changes.sums() {
        if change.key.class() == Some(Class::ElementSum) {
            let cell = change.key.with_class(Class::Element);
            // A counter that was removed is among the elements.
            if let Some(element) = after.cell(&cell)? {
                elements.push(decode(cell, &element)?);
            }
        }
    }
    let mut touched: BTreeMap<[u8; 32], Touched> = BTreeMap::new();
    while let Some((name, key)) = elements.pop() {
        if let Some(known) = touched.get_mut(&name) {
            known.keys.insert(key);
            continue;
        }
        let (id, place) = after.stands(&name)?;
        if let Some(place) = &place {
            elements.push((place.parent.name, place.key.clone()));
        }
        touched.insert(name, Touched { id, place, keys: BTreeSet::from([key]), waits: 0 });
    }
    let parents: Vec<[u8; 32]> =
        touched.values().filter_map(|touched| Some(touched.place.as_ref()?.parent.name)).collect();
    for parent in parents {
        if let Some(touched) = touched.get_mut(&parent) {
            touched.waits += 1;
        }
    }
    Ok(touched)
}

/// The leaves of one collection that have changed, in the order of their keys.
fn leaves<S: Source>(
    forest: &Forest,
    after: &mut After<'_, '_, S>,
    touched: &Touched,
    committed: &mut Committed,
) -> Result<Vec<Change>, Fault> {
    let (id, name) = (&touched.id, tree(&touched.id));
    let mut changed = Vec::with_capacity(touched.keys.len());
    for key in &touched.keys {
        let cell = element_cell(id, key);
        let new = match after.cell(&cell)? {
            None => None,
            Some(bytes) => {
                let element = Element::decode(&bytes).ok_or(Fault::Cell { cell, what: "it is no element" })?;
                let value = match (element.kind, element.child()) {
                    (kind, Some(child)) => {
                        let state = forest.root(&tree(&CollectionId { account: id.account, name: child }));
                        ElementValue::Collection { kind, name: child, state }
                    }
                    (Kind::Counter, None) => ElementValue::Sum(after.sum(&cell.with_class(Class::ElementSum))?),
                    (_, None) => ElementValue::Bytes(element.content),
                };
                let content = ElementContent { key, value }.encode();
                Some((ElementContent::leaf(&content), content))
            }
        };
        let key = hash::key(key);
        let old = forest.get(&name, &key);
        if old != new.as_ref().map(|(hash, _)| *hash) {
            changed.push(Content { name, key, old, new });
        }
    }
    changed.sort_by_key(|content| content.key);
    let leaves = changed.iter().map(|content| (content.key, content.new.as_ref().map(|(hash, _)| *hash))).collect();
    committed.contents.append(&mut changed);
    Ok(leaves)
}

fn contracts<S: Source>(
    forest: &mut Forest,
    slices: &mut SliceCache,
    after: &mut After<'_, '_, S>,
    states: InSlices,
    committed: &mut Committed,
) -> Result<(), Fault> {
    let mut changed: BTreeMap<([u8; 20], u32), Vec<u8>> =
        states.into_iter().map(|(slice, state)| (slice, state.as_bytes().to_vec())).collect();
    for change in after.changes.bytes() {
        if let Some(slice) = change.key.as_slice() {
            changed.insert(slice, change.new.unwrap_or_default().to_vec());
        }
    }
    for change in after.changes.sums() {
        if let Some(slice) = change.key.as_slice() {
            changed.insert(slice, change.new.to_le_bytes().to_vec());
        }
    }
    let mut layout: Option<([u8; 20], Layout)> = None;
    for ((account, index), mut bytes) in changed {
        if layout.as_ref().is_none_or(|(of, _)| *of != account) {
            layout = Some((account, after.source.layout(&account)?.ok_or(Fault::NoSlice { index })?));
        }
        let Some((_, layout)) = &layout else { continue };
        let slice = layout.get(index).ok_or(Fault::NoSlice { index })?;
        // A slice whose cell was removed is zero.
        bytes.resize(slice.length as usize, 0);
        let mut below = PagesOf { source: after.source, forest };
        slices.write(&mut below, &account, (index, slice, layout.page_size()), &bytes)?;
    }
    let mut pages: BTreeMap<Name, Vec<Change>> = BTreeMap::new();
    let mut below = PagesOf { source: after.source, forest };
    for (account, index, content) in slices.flush(&mut below)?.dirty() {
        let (name, key) = (page::tree(account), page::place(index));
        let old = forest.get(&name, &key);
        let hash = Some(hash::page(account, index, content)).filter(|hash| *hash != Hash::ZERO);
        if old == hash {
            continue;
        }
        let content = [&index.to_le_bytes(), page::trimmed(content)].concat();
        committed.contents.push(Content { name, key, old, new: hash.map(|hash| (hash, content)) });
        pages.entry(name).or_default().push((key, hash));
    }
    let mut pages: Vec<(Name, Vec<Change>)> = pages.into_iter().collect();
    for (_, changes) in &mut pages {
        changes.sort_by_key(|(key, _)| *key);
    }
    forest.update_all(&pages)?;
    for (name, _) in &pages {
        if let Name::Pages { account } = name {
            committed.states.insert(*account, forest.root(name));
        }
    }
    Ok(())
}
