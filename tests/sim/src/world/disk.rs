//! A disk that breaks its word, on purpose: what a node does wrong when it does not wait for its disk looks the same from
//! outside. A simulation that does not find these would not find the real ones.

use replicode_store::sim_disk::SimDisk;
use replicode_store::{Disk, DiskFile};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A mistake that is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// What was written counts as durable before it is: appends are acknowledged, and votes answered, before their sync.
    Syncs,
    /// Names are not durable when they are said to be: those of new segments, and of what says which is the newest.
    Names,
    /// Every disk fails now and then although no plan says so: what nobody has planned is no excuse for a node's death.
    Refuses,
}

/// After so many changes a disk fails that fails without a plan.
const REFUSES_AFTER: u64 = 100;

impl Plant {
    /// By its name on the command line.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "syncs" => Some(Self::Syncs),
            "names" => Some(Self::Names),
            "refuses" => Some(Self::Refuses),
            _ => None,
        }
    }
}

/// A node's disk, with what is planted in it.
#[must_use]
pub fn planted(disk: SimDisk, plant: Option<&str>) -> Arc<dyn Disk> {
    match plant.and_then(Plant::named) {
        None => Arc::new(disk),
        Some(plant) => Arc::new(Planted { disk: Arc::new(disk), plant, syncs: Arc::default() }),
    }
}

struct Planted {
    disk: Arc<dyn Disk>,
    plant: Plant,
    syncs: Arc<AtomicU64>,
}

struct PlantedFile {
    file: Arc<dyn DiskFile>,
    plant: Plant,
    syncs: Arc<AtomicU64>,
}

impl Planted {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(PlantedFile { file, plant: self.plant, syncs: self.syncs.clone() })
    }
}

impl DiskFile for PlantedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        match self.plant {
            Plant::Syncs => Ok(()),
            Plant::Refuses if self.syncs.fetch_add(1, Ordering::Relaxed) >= REFUSES_AFTER => {
                Err(io::Error::other("the disk is broken, and nobody knows why"))
            }
            Plant::Names | Plant::Refuses => self.file.sync(),
        }
    }
}

impl Disk for Planted {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name).map(|file| self.file(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name).map(|file| self.file(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.plant == Plant::Names { Ok(()) } else { self.disk.sync_dir() }
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}
