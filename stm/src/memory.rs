//! `TxMemory`: byte values under fixed-size byte keys, each key a conflict unit.

use crate::arena::Arena;
use crate::base::Base;
use crate::chain::{self, Kind, Rec, Unit};
use crate::engine::Stm;
use crate::error::{Stop, TxResult};
use crate::keyed::{Held, Keyed, Source};
use crate::limits::MAX_BYTES;
use crate::read_set::same_content;
use crate::sync::Relaxed;
use crate::table::hash;
use crate::tx::{Mode, Tx};
use crate::vault::{Blob, Spare, Vault};
use std::sync::Arc;

impl Held for Blob {
    fn weight(&self) -> usize {
        Blob::weight(self)
    }
    fn newest(vault: &mut Vault, recs: &Arena<Rec>, cell: &Unit, limit: u32, _: Option<&Blob>) -> Option<Option<Blob>> {
        Some(match chain::newest(recs, cell, limit)? {
            (Kind::Write, word) => vault.blobs.get_mut(word as u32).take(),
            _ => None,
        })
    }
    fn same(vault: &Vault, a: u64, b: u64) -> bool {
        same_content(vault.bytes(a), vault.bytes(b))
    }
    fn recycle(self, spare: &mut Spare) {
        spare.recycle(self);
    }
    fn bytes(&self) -> Option<&[u8]> {
        Some(Blob::bytes(self))
    }
}

/// Byte values of 0 to 66 KiB ([`MAX_BYTES`]) under keys of `N` bytes, every key a conflict unit of its own. No order, no
/// ranges: see [`crate::TxMap`] for those.
///
/// Values are read where they lie, through a closure; a write copies its bytes into memory that its worker uses again in
/// every block. A write of the content that was there already disturbs no reader. Between blocks the engine tells what has
/// changed ([`Stm::changes`]); below the resident values there may be a [`Base`].
///
/// | operation | observes | conflicts with a lower |
/// |---|---|---|
/// | `read`, `get` | the content | change of the content |
/// | `len` | the length | change of the length |
/// | `contains_key` | whether there is a value | insertion, removal |
/// | `set`, `unset` | nothing | nothing |
///
/// ```
/// # use replicode_stm::{Stm, TxMemory};
/// let mut stm = Stm::builder().threads(2).build()?;
/// let memory: TxMemory<4> = stm.memory();
/// stm.execute(&[1u8, 2, 1], |tx, n| {
///     let next = memory.read(tx, &[0, 0, 0, *n], |value| value.map_or(0, |bytes| bytes[0]) + 1)?;
///     memory.set(tx, &[0, 0, 0, *n], &[next])
/// })?;
/// let changes = stm.changes(&memory);
/// let told: Vec<_> = changes.iter().map(|c| (c.key[3], c.old, c.new)).collect();
/// assert_eq!(told, [(1, None, Some(&[2u8][..])), (2, None, Some(&[1u8][..]))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TxMemory<const N: usize> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
}

/// A key of a [`TxMemory`] that has been looked up: to keep, in this transaction and later ones. Should its value have been
/// evicted in between, it is looked up again by itself.
pub struct MemoryRef<const N: usize> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
    pub(crate) id: u32,
    pub(crate) generation: u32,
    pub(crate) hash: u64,
    pub(crate) key: [u8; N],
}

/// The cell of a key of a keyed container with values `V`.
#[inline(always)]
pub(crate) fn cell<const N: usize, V: Held>(tx: &Tx<'_>, part: u32, hash: u64, key: &[u8; N]) -> TxResult<u32> {
    let store = tx.store();
    match store.part::<Keyed<N, V>>(part) {
        Some(keyed) => keyed.cell(store, hash, key),
        None => Err(Stop::broken("a keyed container has lost its keys")),
    }
}

/// How often the cell was given up.
#[inline(always)]
pub(crate) fn generation(tx: &Tx<'_>, id: u32) -> u32 {
    tx.store().cells.get(id).generation.load(Relaxed)
}

fn read<R>(tx: &mut Tx<'_>, id: u32, f: impl FnOnce(Option<&[u8]>) -> R) -> TxResult<R> {
    match &mut tx.mode {
        Mode::Direct(d) => Ok(f(d.bytes(id))),
        Mode::Spec(s) => s.bytes(id, f),
    }
}

fn length(tx: &mut Tx<'_>, id: u32) -> TxResult<Option<usize>> {
    match &mut tx.mode {
        Mode::Direct(d) => Ok(d.bytes(id).map(<[u8]>::len)),
        Mode::Spec(s) => s.length(id),
    }
}

pub(crate) fn exists(tx: &mut Tx<'_>, id: u32) -> TxResult<bool> {
    match &mut tx.mode {
        Mode::Direct(d) => Ok(d.exists(id)),
        Mode::Spec(s) => s.exists(id),
    }
}

fn set<const N: usize>(tx: &mut Tx<'_>, id: u32, value: &[u8]) {
    match &mut tx.mode {
        Mode::Direct(d) => d.set_bytes::<N>(id, value),
        Mode::Spec(s) => s.set_bytes(id, value),
    }
}

fn unset<const N: usize>(tx: &mut Tx<'_>, id: u32) {
    match &mut tx.mode {
        Mode::Direct(d) => d.put::<N, Blob>(id, None),
        Mode::Spec(s) => s.remove(id),
    }
}

impl<const N: usize> TxMemory<N> {
    #[inline(always)]
    fn cell(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<u32> {
        tx.charge(self.engine)?;
        cell::<N, Blob>(tx, self.part, hash(key), key)
    }

    /// Looks `key` up, to be used again.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn at(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<MemoryRef<N>> {
        let id = self.cell(tx, key)?;
        let generation = generation(tx, id);
        Ok(MemoryRef { engine: self.engine, part: self.part, id, generation, hash: hash(key), key: *key })
    }

    /// Shows the value at `key` to `f`, where it lies. `f` may be called in runs that are thrown away.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn read<R>(&self, tx: &mut Tx<'_>, key: &[u8; N], f: impl FnOnce(Option<&[u8]>) -> R) -> TxResult<R> {
        let id = self.cell(tx, key)?;
        read(tx, id, f)
    }

    /// A copy of the value at `key`.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn get(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<Option<Vec<u8>>> {
        self.read(tx, key, |value| value.map(<[u8]>::to_vec))
    }

    /// The length of the value at `key`. Does not conflict with a change that keeps it.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn len(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<Option<usize>> {
        let id = self.cell(tx, key)?;
        length(tx, id)
    }

    /// Whether there is a value at `key`.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn contains_key(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<bool> {
        let id = self.cell(tx, key)?;
        exists(tx, id)
    }

    /// Puts a value at `key`, without looking at what was there: never conflicts by itself.
    ///
    /// # Errors
    /// A revert with [`crate::Revert::LIMIT`] if it is longer than [`MAX_BYTES`] or
    /// [`crate::Builder::max_value_bytes`]; or a stop to be passed on.
    #[inline]
    pub fn set(&self, tx: &mut Tx<'_>, key: &[u8; N], value: &[u8]) -> TxResult<()> {
        let id = self.cell(tx, key)?;
        tx.admit_bytes(value)?;
        set::<N>(tx, id, value);
        Ok(())
    }

    /// Removes the value at `key`, without looking: never conflicts by itself.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn unset(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<()> {
        let id = self.cell(tx, key)?;
        unset::<N>(tx, id);
        Ok(())
    }
}

impl<const N: usize> MemoryRef<N> {
    /// The key that was looked up.
    #[must_use]
    pub fn key(&self) -> &[u8; N] {
        &self.key
    }

    #[inline(always)]
    fn cell(&self, tx: &mut Tx<'_>) -> TxResult<u32> {
        tx.charge(self.engine)?;
        if generation(tx, self.id) == self.generation {
            return Ok(self.id);
        }
        cell::<N, Blob>(tx, self.part, self.hash, &self.key)
    }

    /// As [`TxMemory::read`].
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn read<R>(&self, tx: &mut Tx<'_>, f: impl FnOnce(Option<&[u8]>) -> R) -> TxResult<R> {
        let id = self.cell(tx)?;
        read(tx, id, f)
    }

    /// As [`TxMemory::get`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn get(&self, tx: &mut Tx<'_>) -> TxResult<Option<Vec<u8>>> {
        self.read(tx, |value| value.map(<[u8]>::to_vec))
    }

    /// As [`TxMemory::len`].
    ///
    /// # Errors
    /// A stop to be passed on.
    #[allow(clippy::len_without_is_empty, reason = "the length of a value that may be absent")]
    pub fn len(&self, tx: &mut Tx<'_>) -> TxResult<Option<usize>> {
        let id = self.cell(tx)?;
        length(tx, id)
    }

    /// As [`TxMemory::contains_key`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn exists(&self, tx: &mut Tx<'_>) -> TxResult<bool> {
        let id = self.cell(tx)?;
        exists(tx, id)
    }

    /// As [`TxMemory::set`].
    ///
    /// # Errors
    /// A revert with [`crate::Revert::LIMIT`], or a stop to be passed on.
    #[inline]
    pub fn set(&self, tx: &mut Tx<'_>, value: &[u8]) -> TxResult<()> {
        let id = self.cell(tx)?;
        tx.admit_bytes(value)?;
        set::<N>(tx, id, value);
        Ok(())
    }

    /// As [`TxMemory::unset`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn unset(&self, tx: &mut Tx<'_>) -> TxResult<()> {
        let id = self.cell(tx)?;
        unset::<N>(tx, id);
        Ok(())
    }
}

impl Stm {
    /// A new, empty memory with nothing below: everything stays resident.
    pub fn memory<const N: usize>(&mut self) -> TxMemory<N> {
        let part = self.add_keyed::<N, Blob>(None, usize::MAX);
        TxMemory { engine: self.store.engine, part }
    }

    /// A new memory above `base`. Between blocks, values that are as `base` has them are evicted until what is resident
    /// takes at most `budget` bytes, or all that is left has changed since [`Stm::forget_changes`].
    pub fn memory_over<const N: usize>(&mut self, base: Arc<dyn Base<N>>, budget: usize) -> TxMemory<N> {
        let source: Source<N, Blob> = Box::new(move |key| {
            let mut bytes = Vec::new();
            if !base.load(key, &mut bytes)? {
                return Ok(None);
            }
            if bytes.len() > MAX_BYTES {
                return Err(format!("a value of {} bytes: at most {MAX_BYTES}", bytes.len()).into());
            }
            Ok(Some(Blob::new(&bytes)))
        });
        let part = self.add_keyed(Some(source), budget);
        TxMemory { engine: self.store.engine, part }
    }

    pub(crate) fn add_keyed<const N: usize, V: Held>(&mut self, source: Option<Source<N, V>>, budget: usize) -> u32 {
        // The container is told its own number, which is the next one.
        let me = self.store.next_part();
        self.store.add_part(Box::new(Keyed::<N, V>::new(source, budget, me)))
    }

    /// Gives a memory a name; its keys appear as `name[key]` in [`crate::Stats::hottest`] and in faults of its base, with
    /// `key` as `namer` writes it.
    pub fn name_memory<const N: usize>(
        &mut self,
        memory: &TxMemory<N>,
        name: impl Into<String>,
        namer: impl Fn(&[u8; N]) -> String + Send + Sync + 'static,
    ) {
        self.store.name_part(memory.part, name.into());
        if let Some(keyed) = self.store.part_mut::<Keyed<N, Blob>>(memory.part) {
            keyed.namer = Some(Box::new(namer));
        }
    }

    /// Bytes that the resident keys and values of a memory take, roughly.
    #[must_use]
    pub fn resident<const N: usize>(&self, memory: &TxMemory<N>) -> usize {
        self.store.part::<Keyed<N, Blob>>(memory.part).map_or(0, Keyed::resident)
    }
}
