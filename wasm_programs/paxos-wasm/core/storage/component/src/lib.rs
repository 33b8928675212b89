//! The storage as a component: `paxos-storage` over `wasi:filesystem`, one directory per role. It syncs within `flush`.

mod directory;
mod volatile;

use std::cell::RefCell;
use std::collections::BTreeMap;

use directory::Directory;
use exports::replicode::paxos::storage as w;
use generated::exports;
use generated::wasi::random::random::get_random_u64;
use paxos_bindings::poll::Pollable;
use paxos_bindings::wit::types::{Durability, Fault, FaultKind, Role as RoleWord};
use paxos_bindings::{Words, fault};
use paxos_storage::{Files, Identity, Options, Storage, StorageError};
use paxos_types::{Bytes, ClusterId, Incarnation, NodeId, Role, Slot};
use volatile::Volatile;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "storage-component",
        path: "../../../shared/wit",
        with: {
            "replicode:paxos/types@1.0.0": paxos_bindings::wit::types,
            "wasi:io/poll@0.2.12": paxos_bindings::poll,
        },
        generate_all,
    });
}

/// The storage of one role.
struct Open {
    storage: Storage<Box<dyn Files>>,
    /// What was found and not yet let go.
    found: Vec<(u64, Bytes)>,
    /// The snapshot that is being read by parts.
    reading: Option<(Slot, Bytes)>,
    snapshot: Slot,
    /// Pollables are told once: there are none.
    told: bool,
}

thread_local! {
    static OPEN: RefCell<BTreeMap<u8, Open>> = const { RefCell::new(BTreeMap::new()) };
}

fn storage_fault(error: StorageError) -> Fault {
    fault(FaultKind::Storage, error.to_string())
}

fn with<T>(role: RoleWord, act: impl FnOnce(&mut Open) -> Result<T, StorageError>) -> Result<T, Fault> {
    OPEN.with_borrow_mut(|open| match open.get_mut(&(role as u8)) {
        Some(open) => act(open).map_err(storage_fault),
        None => Err(fault(FaultKind::Contract, "the storage of this role has not been opened")),
    })
}

struct Component;

impl w::Guest for Component {
    fn open(dir: String, identity: w::Identity, durability: Durability) -> Result<w::Opened, Fault> {
        let role = Role::from_word(identity.role);
        let files: Box<dyn Files> = match durability {
            Durability::Sync => Box::new(Directory::open(&format!("{dir}/{role}")).map_err(storage_fault)?),
            Durability::Memory => Box::new(Volatile::default()),
        };
        let whose = Identity { cluster: ClusterId::from_name(&identity.cluster), node: NodeId(identity.node), role };
        let opened = Storage::open(files, whose, Incarnation(get_random_u64()), Options::default());
        let opened = opened.map_err(storage_fault)?;
        let storage = opened.storage;
        let snapshot = opened.snapshot.as_ref().map_or(Slot::ZERO, |(slot, _)| *slot);
        let next = storage.appended() + 1;
        let answer = w::Opened {
            incarnation: storage.incarnation().0,
            fresh: opened.fresh,
            first: opened.records.first().map_or(next, |(position, _)| *position),
            next,
            snapshot: snapshot.0,
            torn: opened.cut.map_or_else(String::new, |cut| {
                format!("{} bytes of {} from byte {} on: {}", cut.bytes, cut.file, cut.offset, cut.reason)
            }),
        };
        let open = Open { storage, found: opened.records, reading: opened.snapshot, snapshot, told: false };
        OPEN.with_borrow_mut(|all| all.insert(identity.role as u8, open));
        Ok(answer)
    }

    fn append(role: RoleWord, records: Vec<Vec<u8>>) -> Result<u64, Fault> {
        with(role, |open| {
            open.found = Vec::new();
            open.storage.append(&records)
        })
    }

    fn flush(role: RoleWord) -> Result<(), Fault> {
        // With nothing to sync it is quiet: time to write down what is durable, so that damage to the last records is told from a torn end.
        with(role, |open| match open.storage.pending() {
            Some(_) => open.storage.sync().map(|_| ()),
            None => open.storage.idle(),
        })
    }

    fn durable(role: RoleWord) -> Result<w::Progress, Fault> {
        with(role, |open| Ok(w::Progress { position: open.storage.durable(), snapshot: open.snapshot.0 }))
    }

    fn subscribe(role: RoleWord) -> Option<Vec<Pollable>> {
        let first = with(role, |open| Ok(!std::mem::replace(&mut open.told, true))).unwrap_or(false);
        first.then(Vec::new)
    }

    fn read(role: RoleWord, start: u64, max_bytes: u32) -> Result<Vec<Vec<u8>>, Fault> {
        with(role, |open| {
            let from = open.found.partition_point(|(position, _)| *position < start);
            let mut room = max_bytes as usize;
            let mut records = Vec::new();
            for (_, record) in open.found.get(from..).unwrap_or_default() {
                if !records.is_empty() && record.len() > room {
                    break;
                }
                room = room.saturating_sub(record.len());
                records.push(record.to_vec());
            }
            Ok(records)
        })
    }

    fn truncate(role: RoleWord, upto: u64) -> Result<(), Fault> {
        with(role, |open| open.storage.truncate(upto))
    }

    fn begin_snapshot(role: RoleWord, slot: u64) -> Result<(), Fault> {
        with(role, |open| open.storage.begin_snapshot(Slot(slot)))
    }

    fn add_to_snapshot(role: RoleWord, bytes: Vec<u8>) -> Result<(), Fault> {
        with(role, |open| open.storage.add_to_snapshot(&bytes))
    }

    fn finish_snapshot(role: RoleWord) -> Result<(), Fault> {
        with(role, |open| {
            open.reading = None;
            open.snapshot = open.storage.finish_snapshot()?;
            Ok(())
        })
    }

    fn load_snapshot(role: RoleWord, offset: u64, max_bytes: u32) -> Result<Option<w::SnapshotPart>, Fault> {
        with(role, |open| {
            if open.reading.is_none() {
                open.reading = open.storage.load_snapshot()?;
            }
            let Some((slot, bytes)) = &open.reading else { return Ok(None) };
            let total = bytes.len();
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(total);
            let to = from.saturating_add(max_bytes as usize).min(total);
            let part = w::SnapshotPart { slot: slot.0, total: total as u64, bytes: bytes.slice(from..to).to_vec() };
            if to == total {
                open.reading = None;
            }
            Ok(Some(part))
        })
    }

    fn close(role: RoleWord) -> Result<(), Fault> {
        with(role, |open| {
            open.storage.sync()?;
            open.storage.idle()
        })?;
        OPEN.with_borrow_mut(|all| all.remove(&(role as u8)));
        Ok(())
    }
}

generated::export!(Component with_types_in generated);
