//! State and log of one execution, on the cells of its transaction.

use super::engine::{Denied, World};
use super::limits;
use super::number::Number;
use super::place;
use super::registry;
use super::request::Which;
use crate::cell::{Access, Mark};
use crate::run::Fault;
use std::collections::BTreeMap;

type Answer<T> = Result<T, Denied>;

/// Bytes that a key takes besides what is in it, about.
const KEY: u64 = 64;
/// Cells that a key takes in the order of keys when it comes or goes, about: each as large as a key.
const ORDER: u64 = 16;
/// Keys that are asked for at once.
const KEYS: usize = 256;

/// See [`World`].
pub(super) struct On<'a, A: Access> {
    pub(super) cells: &'a mut A,
    /// Why nothing of the run will be seen.
    pub(super) fault: Option<Fault<A::Error>>,
    /// What it has logged.
    pub(super) lines: Vec<Vec<u8>>,
    logged: u64,
    read_only: bool,
    /// Functions that have begun and not ended: whose state, and where it stood when they began.
    frames: Vec<(Number, Mark)>,
    /// The most memory that each key that was read has taken.
    touched: BTreeMap<Vec<u8>, u64>,
    /// Memory of all that was read, and of every write: what it has overwritten is held until the run ends, to go back to.
    bytes: u64,
    memory_bytes: u64,
    /// Bytes that it has written or overwritten, those included that were taken back.
    pub(super) written: u64,
}

impl<'a, A: Access> On<'a, A> {
    pub(super) fn new(cells: &'a mut A, read_only: bool, memory_bytes: u64) -> Self {
        Self {
            cells,
            fault: None,
            lines: Vec::new(),
            logged: 0,
            read_only,
            frames: Vec::new(),
            touched: BTreeMap::new(),
            bytes: 0,
            memory_bytes,
            written: 0,
        }
    }

    /// A stage begins: state is that of this namespace.
    pub(super) fn stage(&mut self, namespace: Number) {
        self.frames.clear();
        self.frames.push((namespace, self.cells.mark()));
    }

    fn of<T>(&mut self, result: Result<T, Fault<A::Error>>) -> Answer<T> {
        result.map_err(|fault| {
            self.fault.get_or_insert(fault);
            Denied::Lost
        })
    }

    fn key(&self, key: &[u8]) -> Answer<Vec<u8>> {
        if self.fault.is_some() {
            return Err(Denied::Lost);
        }
        let (length, most) = (key.len(), limits::KEY);
        if length > most {
            return Err(Denied::State(format!("a key of its state has {length} bytes, at most {most} are possible")));
        }
        let namespace = self.frames.last().map_or(Number([0; 16]), |(namespace, _)| *namespace);
        Ok(place::state_key(namespace, key))
    }

    fn may_change(&self) -> Answer<()> {
        if self.read_only { Err(Denied::ReadOnly) } else { Ok(()) }
    }

    fn touch(&mut self, key: Vec<u8>, value: usize) -> Answer<()> {
        let size = KEY + key.len() as u64 + value as u64;
        let most = self.touched.entry(key).or_default();
        let more = size.saturating_sub(*most);
        *most = size.max(*most);
        self.take(more)
    }

    fn take(&mut self, bytes: u64) -> Answer<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        let (asked, limit) = (self.bytes, self.memory_bytes);
        if asked > limit { Err(Denied::Memory { asked, limit }) } else { Ok(()) }
    }

    /// A key is to have so many bytes instead of so many; none: it is not there. Before it is written, for whoever writes without end is ended
    /// by this alone.
    fn write(&mut self, key: &[u8], old: Option<usize>, new: Option<usize>) -> Answer<()> {
        let size = KEY + key.len() as u64;
        let order = if old.is_some() == new.is_some() { 0 } else { ORDER * size };
        let bytes = size + order + old.unwrap_or(0) as u64 + new.unwrap_or(0) as u64;
        self.written = self.written.saturating_add(bytes);
        let most = limits::WRITTEN;
        if self.written > most {
            return Err(Denied::State(format!(
                "an execution may write {most} bytes of state, what it overwrites included, and it would write more"
            )));
        }
        self.take(bytes)
    }

    fn fetch(&mut self, key: &[u8]) -> Answer<Option<Vec<u8>>> {
        let found = place::get_state(self.cells, key);
        self.of(found)
    }
}

impl<A: Access> World for On<'_, A> {
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> Answer<bool> {
        let key = self.key(key)?;
        let found = self.fetch(&key)?;
        self.touch(key, found.as_ref().map_or(0, Vec::len))?;
        if let Some(found) = &found {
            value.extend_from_slice(found);
        }
        Ok(found.is_some())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Answer<()> {
        let key = self.key(key)?;
        let (length, most) = (value.len(), limits::VALUE);
        if length > most {
            return Err(Denied::State(format!("a value of its state has {length} bytes, at most {most} are possible")));
        }
        self.may_change()?;
        let old = self.fetch(&key)?.map(|old| old.len());
        self.write(&key, old, Some(length))?;
        let done = place::set_state(self.cells, &key, value, old);
        if !self.of(done)? {
            let most = limits::STATE;
            return Err(Denied::State(format!(
                "the state of a cell's functions may have {most} bytes, and it would have more"
            )));
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Answer<bool> {
        let key = self.key(key)?;
        self.may_change()?;
        let old = self.fetch(&key)?.map(|old| old.len());
        match old {
            Some(old) => {
                self.write(&key, Some(old), None)?;
                let done = place::delete_state(self.cells, &key, old);
                self.of(done)?;
            }
            None => self.touch(key, 0)?,
        }
        Ok(old.is_some())
    }

    fn list(&mut self, prefix: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> Answer<()> {
        let prefix = self.key(prefix)?;
        let mut seen: Option<Vec<u8>> = None;
        loop {
            let found = place::list_state(self.cells, &prefix, seen.as_deref(), KEYS);
            let found = self.of(found)?;
            let all = found.len() < KEYS;
            for key in &found {
                let more = each(key.get(16..).unwrap_or_default());
                self.touch(key.clone(), 0)?;
                if !more {
                    return Ok(());
                }
            }
            seen = found.into_iter().last();
            if all {
                return Ok(());
            }
        }
    }

    fn log(&mut self, line: &[u8]) -> Answer<()> {
        let limit = limits::LOG;
        // A line has its price in memory, however short it is.
        let wrote = self.logged + line.len() as u64 + 16;
        if wrote > limit {
            return Err(Denied::Log { wrote, limit });
        }
        self.logged = wrote;
        self.lines.push(line.to_vec());
        Ok(())
    }

    fn enter(&mut self, name: &[u8]) -> Answer<Option<[u8; 32]>> {
        if self.fault.is_some() {
            return Err(Denied::Lost);
        }
        if self.frames.len() as u32 >= limits::DEPTH {
            return Err(Denied::Depth(limits::DEPTH));
        }
        // Neither a name nor a number is as long; what is says so before anything is done with its bytes.
        if name.len() > limits::NAME {
            return Ok(None);
        }
        let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
        let found = registry::find(self.cells, &Which::of(name));
        let Some(entry) = self.of(found)? else { return Ok(None) };
        // What is noted at a mark is held until the run ends, like what is overwritten.
        self.take(KEY)?;
        let mark = self.cells.mark();
        self.frames.push((namespace_of(&entry), mark));
        Ok(Some(entry.digest))
    }

    fn leave(&mut self, well: bool) {
        if let Some((_, mark)) = self.frames.pop()
            && !well
        {
            self.cells.roll_back(mark);
        }
    }

    fn module(&mut self, digest: &[u8; 32]) -> Answer<Vec<u8>> {
        let found = place::module(self.cells, digest);
        self.of(found)
    }
}

/// Where a function's state is.
pub(super) fn namespace_of(entry: &super::Entry) -> Number {
    entry.namespace.as_deref().map_or(entry.number, Number::of_namespace)
}
