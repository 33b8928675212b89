//! How the host is lent to host functions, and what a store keeps about the frame that runs in it.
//!
//! A store owns what is in it, and the host is borrowed from a transaction. So the host stays on the stack of the thread: it is lent to the
//! thread for the time of the call, and a host function borrows it from there. While one has it nobody else has; a frame that it begins
//! lends the host anew. No frame can keep it.

use crate::cap::GrowthCap;
use replicode_contracts::abi::host::{Answer, Context, FrameState};
use replicode_contracts::receipt::GasKind;
use replicode_contracts::run::{Halt, Host};
use scoped_tls_hkt::scoped_thread_local;
use wasmtime::{AsContextMut, Caller, Global, Instance, Memory, StoreContextMut, Val};

scoped_thread_local!(static mut LENT: for<'a> &'a mut dyn Host);

/// Lends the host for the time of `act`.
pub(super) fn lend<R>(host: &mut dyn Host, act: impl FnOnce() -> R) -> R {
    LENT.set(host, act)
}

/// Where in a store code is running: in the contract's instance, or in that of a library.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) memory: Option<Memory>,
    /// The module's own counters, if it has any.
    pub(super) gas: Option<Global>,
    pub(super) stack: Option<Global>,
}

/// What a store keeps.
pub(super) struct Frame {
    pub(super) state: FrameState,
    pub(super) place: Place,
    /// Instances of libraries that this frame has called, by number of the compiled library.
    pub(super) libraries: Vec<(u64, Instance, Place)>,
    /// Gas that the frame had left when module and host last agreed.
    pub(super) settled: u64,
    /// Nothing of this run will be seen: host functions answer zero.
    pub(super) lost: bool,
    pub(super) halt: Option<Halt>,
    pub(super) cap: GrowthCap,
}

impl Frame {
    pub(super) fn new() -> Self {
        Self {
            state: FrameState::default(),
            place: Place::default(),
            libraries: Vec::new(),
            settled: 0,
            lost: false,
            halt: None,
            cap: GrowthCap::new(0),
        }
    }

    /// Makes it that of a frame that begins.
    pub(super) fn begin(&mut self, host: &dyn Host, input: &[u8], memory_bytes: u64) {
        self.state.begin(host, input);
        self.place = Place::default();
        self.libraries.clear();
        (self.settled, self.lost, self.halt) = (host.gas_left(), false, None);
        self.cap = GrowthCap::new(memory_bytes);
    }
}

/// The frame has ended in a host function: what unwinds the module's functions.
#[derive(Debug, thiserror::Error)]
#[error("the frame has ended")]
pub(super) struct Ended;

/// Gas of a lost run: enough for common ends, too little to hold the thread.
const LOST_GAS: i64 = 20_000;

/// A host function: borrows what it needs, settles gas around it, and makes of an end what the engine unwinds.
pub(super) fn enter<R: Default>(
    mut caller: Caller<'_, Frame>,
    settles: bool,
    act: impl FnOnce(&mut Context<'_>) -> Answer<R>,
) -> wasmtime::Result<R> {
    if caller.data().lost {
        return Ok(R::default());
    }
    let place = caller.data().place;
    LENT.with(|host| {
        let answer = settle_in(&mut caller, host, settles).and_then(|()| {
            let (memory, frame) = match place.memory {
                Some(memory) => memory.data_and_store_mut(&mut caller),
                None => (&mut [][..], caller.data_mut()),
            };
            act(&mut Context { memory, frame: &mut frame.state, host })
        });
        match answer {
            Ok(value) => {
                if settles {
                    settle_out(caller.as_context_mut(), host);
                }
                Ok(value)
            }
            Err(halt) if host.is_lost() => {
                lose(caller.as_context_mut(), halt);
                Ok(R::default())
            }
            Err(halt) => {
                caller.data_mut().halt = Some(halt);
                Err(Ended.into())
            }
        }
    })
}

fn settle_in(caller: &mut Caller<'_, Frame>, host: &mut dyn Host, settles: bool) -> Answer<()> {
    if settles { settle(caller.as_context_mut(), host) } else { Ok(()) }
}

/// The host learns what the module has burnt.
pub(super) fn settle(mut store: StoreContextMut<'_, Frame>, host: &mut dyn Host) -> Answer<()> {
    let Some(gas) = store.data().place.gas else { return Ok(()) };
    let left = left(&mut store, gas);
    let burnt = store.data().settled.saturating_sub(left);
    host.charge(GasKind::Compute, burnt)
}

/// The module learns what the host has left it.
pub(super) fn settle_out(mut store: StoreContextMut<'_, Frame>, host: &dyn Host) {
    let Some(gas) = store.data().place.gas else { return };
    let left = host.gas_left();
    store.data_mut().settled = left;
    set(&mut store, gas, Val::I64(i64::try_from(left).unwrap_or(i64::MAX)));
}

/// What a counter of gas says.
pub(super) fn left(store: &mut StoreContextMut<'_, Frame>, gas: Global) -> u64 {
    gas.get(store).i64().unwrap_or(0).max(0).unsigned_abs()
}

/// Sets a counter. Types are those of the transform's own globals, so this cannot fail.
pub(super) fn set(store: &mut StoreContextMut<'_, Frame>, global: Global, value: Val) {
    let done = global.set(store, value);
    assert!(done.is_ok(), "a counter is a mutable number of its type");
}

fn lose(mut store: StoreContextMut<'_, Frame>, halt: Halt) {
    store.data_mut().lost = true;
    store.data_mut().halt = Some(halt);
    if let Some(gas) = store.data().place.gas {
        let left = gas.get(&mut store).i64().unwrap_or(0).min(LOST_GAS);
        set(&mut store, gas, Val::I64(left));
    }
}
