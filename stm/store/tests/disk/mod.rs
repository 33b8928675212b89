//! A simulated file: what was not synced before a crash is there, or not, or in part, as a seed says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use replicode_contracts::hash;

#[derive(Debug, Default)]
pub struct Disk {
    /// What a crash leaves for certain.
    synced: Vec<u8>,
    /// What the process sees.
    pub now: Vec<u8>,
    /// Writes since the last sync.
    pending: Vec<(usize, Vec<u8>)>,
    /// Acts until the process is dead; none: it lives.
    pub left: Option<usize>,
    acts: usize,
}

#[derive(Clone, Debug)]
pub struct Shared(pub Arc<Mutex<Disk>>);

impl Disk {
    fn act(&mut self) -> io::Result<()> {
        self.acts += 1;
        match &mut self.left {
            Some(0) => Err(io::Error::other("the process is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is on the disk after a crash: of each write that was not synced nothing, a part, or all.
    pub fn crash(&self, seed: u64) -> Vec<u8> {
        let mut out = self.synced.clone();
        if out.len() < self.now.len() {
            out.resize(self.now.len(), 0);
        }
        for (n, (at, bytes)) in (0_u64..).zip(&self.pending) {
            let random = hash::key(&[seed.to_le_bytes(), n.to_le_bytes()].concat());
            let count = match (seed, random.as_bytes()[0] % 3) {
                (0, _) | (2.., 0) => 0,
                (1, _) | (2.., 1) => bytes.len(),
                _ => usize::from(u16::from_le_bytes([random.as_bytes()[1], random.as_bytes()[2]])) % bytes.len().max(1),
            };
            if at + count <= out.len() {
                out[*at..at + count].copy_from_slice(&bytes[..count]);
            }
        }
        out
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().expect("a lock").now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let disk = self.0.lock().expect("a lock");
        let from = offset as usize;
        let bytes = disk.now.get(from..from + out.len()).ok_or_else(|| io::Error::other("behind the end"))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut disk = self.0.lock().expect("a lock");
        disk.act()?;
        disk.now.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut disk = self.0.lock().expect("a lock");
        disk.act()?;
        disk.synced = disk.now.clone();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut disk = self.0.lock().expect("a lock");
        disk.act()?;
        let from = offset as usize;
        disk.now[from..from + data.len()].copy_from_slice(data);
        disk.pending.push((from, data.to_vec()));
        Ok(())
    }
}

pub fn disk_with(bytes: Vec<u8>, left: Option<usize>) -> Shared {
    Shared(Arc::new(Mutex::new(Disk { synced: bytes.clone(), now: bytes, pending: Vec::new(), left, acts: 0 })))
}
