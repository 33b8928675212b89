//! A disk in memory that loses power after a number of steps, and then shows what a real one might.
//!
//! What was synced survives. Of what was not: of the bytes any sectors, in any combination, the file longer or not; of
//! names and renames a prefix in the order they were made.

use super::Disk;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

const SECTOR: usize = 512;

#[derive(Clone, Default, Debug)]
struct Inode {
    durable: Vec<u8>,
    pending: Vec<(u64, Vec<u8>)>,
}

impl Inode {
    fn write(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
        if bytes.len() < at + new.len() {
            bytes.resize(at + new.len(), 0);
        }
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|(at, new)| Self::write(&mut bytes, *at as usize, new));
        bytes
    }
}

#[derive(Clone, Debug)]
enum Step {
    Link(String, usize),
    Rename(String, String),
    Remove(String),
}

type Names = BTreeMap<String, usize>;

fn apply(names: &mut Names, step: &Step) {
    match step {
        Step::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Step::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        Step::Remove(name) => {
            names.remove(name);
        }
    }
}

#[derive(Clone, Default, Debug)]
struct Inner {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    pending: Vec<Step>,
    steps: u64,
    fails_at: Option<u64>,
}

/// Clones share the disk.
#[derive(Clone, Default)]
pub(crate) struct FailingDisk(Arc<Mutex<Inner>>);

struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
}

impl FailingDisk {
    pub(crate) fn new() -> Self {
        FailingDisk::default()
    }
    /// Loses power in the middle of this step, counted from 0.
    pub(crate) fn failing_at(step: u64) -> Self {
        FailingDisk::new().with_steps(step)
    }
    /// A disk of its own with the same durable content that allows so many steps.
    pub(crate) fn with_steps(self, steps: u64) -> Self {
        let mut inner = self.0.lock().unwrap().clone();
        (inner.steps, inner.fails_at) = (0, Some(steps));
        FailingDisk(Arc::new(Mutex::new(inner)))
    }
    /// Everything durable.
    pub(crate) fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut inner = Inner::default();
        for (name, durable) in files {
            inner.names.insert(name, inner.inodes.len());
            inner.inodes.push(Inode { durable, pending: Vec::new() });
        }
        inner.durable_names = inner.names.clone();
        FailingDisk(Arc::new(Mutex::new(inner)))
    }
    /// The files as a running process sees them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.0.lock().unwrap();
        inner.names.iter().map(|(name, i)| (name.clone(), inner.inodes[*i].now())).collect()
    }
    /// Steps that change something, so far.
    pub(crate) fn steps(&self) -> u64 {
        self.0.lock().unwrap().steps
    }

    /// What is found after power comes back; the seed decides what of the unsynced survived.
    pub(crate) fn after_power_loss(&self, seed: u64) -> FailingDisk {
        let inner = self.0.lock().unwrap();
        let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut names = inner.durable_names.clone();
        let survive = r.below(inner.pending.len() as u64 + 1) as usize;
        inner.pending[..survive].iter().for_each(|step| apply(&mut names, step));
        let mut files = BTreeMap::new();
        for (name, i) in names {
            let inode = &inner.inodes[i];
            let mut bytes = inode.durable.clone();
            for (at, new) in &inode.pending {
                let luck = r.below(4);
                let mut from = 0;
                while from < new.len() {
                    // Sectors are of the file, not of the write.
                    let place = *at as usize + from;
                    let to = new.len().min(from + SECTOR - place % SECTOR);
                    if luck == 0 || (luck > 1 && r.below(2) == 0) {
                        Inode::write(&mut bytes, place, &new[from..to]);
                    }
                    from = to;
                }
                // A file may have grown although its bytes did not arrive.
                if r.below(3) == 0 && bytes.len() < *at as usize + new.len() {
                    bytes.resize(*at as usize + new.len(), 0);
                }
            }
            files.insert(name, bytes);
        }
        FailingDisk::of(files)
    }

    /// Does a step; the one in which power is lost may still leave traces.
    fn step<T>(&self, f: impl FnOnce(&mut Inner) -> io::Result<T>, sync: impl FnOnce(&mut Inner)) -> io::Result<T> {
        let mut inner = self.0.lock().unwrap();
        let dead = || io::Error::other("no power");
        match inner.fails_at {
            Some(at) if inner.steps > at => return Err(dead()),
            Some(at) if inner.steps == at => {
                inner.steps += 1;
                let _ = f(&mut inner);
                return Err(dead());
            }
            _ => inner.steps += 1,
        }
        let done = f(&mut inner)?;
        sync(&mut inner);
        Ok(done)
    }
}

fn inode<'a>(inner: &'a mut Inner, name: &str) -> io::Result<&'a mut Inode> {
    let i = *inner.names.get(name).ok_or(io::ErrorKind::NotFound)?;
    Ok(&mut inner.inodes[i])
}

fn settle(inner: &mut Inner, name: &str) {
    if let Ok(inode) = inode(inner, name) {
        inode.durable = inode.now();
        inode.pending.clear();
    }
}

impl Inner {
    fn name(&mut self, step: Step) -> io::Result<()> {
        apply(&mut self.names, &step);
        self.pending.push(step);
        Ok(())
    }
    fn put(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        inode(self, name)?.pending.push((at, bytes.to_vec()));
        Ok(())
    }
}

impl Disk for FailingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(inode(&mut self.0.lock().unwrap(), name)?.now())
    }
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let make = |inner: &mut Inner| {
            inner.inodes.push(Inode { durable: Vec::new(), pending: vec![(0, bytes.to_vec())] });
            inner.name(Step::Link(name.to_string(), inner.inodes.len() - 1))
        };
        self.step(make, |inner| settle(inner, name))
    }
    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(|inner| inner.put(name, at, bytes), |_| {})
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.step(|inner| inode(inner, name).map(|_| ()), |inner| settle(inner, name))
    }
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.step(
            |inner| inode(inner, name).map(|_| ()),
            |inner| {
                settle(inner, name);
                if let Ok(inode) = inode(inner, name) {
                    inode.durable.truncate(len as usize);
                }
            },
        )
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step(|inner| inner.name(Step::Rename(from.to_string(), to.to_string())), |_| {})
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step(|inner| inner.name(Step::Remove(name.to_string())), |_| {})
    }
    fn sync_names(&mut self) -> io::Result<()> {
        self.step(
            |_| Ok(()),
            |inner| {
                inner.durable_names = inner.names.clone();
                inner.pending.clear();
            },
        )
    }
}
