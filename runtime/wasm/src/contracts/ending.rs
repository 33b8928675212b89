//! How a frame has ended, in the receipts' words.

use super::lend::{Ended, Frame, left};
use replicode_contracts::receipt::{GasKind, Trap};
use replicode_contracts::run::{Halt, Host};
use replicode_transform::{OUT_OF_GAS, OUT_OF_STACK};
use wasmtime::{AsContextMut, Error, Store};

/// What the end of a function means: what it returned, or why the frame has ended.
pub(super) fn of(store: &mut Store<Frame>, host: &mut dyn Host, result: Result<(), Error>) -> Result<Vec<u8>, Halt> {
    if let Some(why) = store.data_mut().cap.take_failure() {
        return Err(host.fault(why));
    }
    if let Some(halt) = store.data_mut().halt.take() {
        // Whatever the engine says about it: it has ended before.
        return Err(halt);
    }
    match result {
        Ok(()) => {
            if let Some(gas) = store.data().place.gas {
                let left = left(&mut store.as_context_mut(), gas);
                host.charge(GasKind::Compute, store.data().settled.saturating_sub(left))?;
            }
            Ok(store.data_mut().state.end())
        }
        Err(error) => Err(trapped(store, host, &error)),
    }
}

/// The end of a function that trapped.
fn trapped(store: &mut Store<Frame>, host: &mut dyn Host, error: &Error) -> Halt {
    if error.is::<Ended>() {
        return host.fault("a host function has ended a frame without saying why".into());
    }
    let Some(trap) = error.downcast_ref::<wasmtime::Trap>() else {
        return host.fault(format!("{error:#}"));
    };
    let counter = store.data().place.gas;
    let counter = counter.and_then(|gas| gas.get(&mut *store).i64());
    match (trap, counter) {
        (wasmtime::Trap::UnreachableCodeReached, Some(OUT_OF_GAS)) => host.out_of_gas(),
        (wasmtime::Trap::UnreachableCodeReached, Some(OUT_OF_STACK)) => host.trap(Trap::Stack),
        (trap, _) => match kind(*trap) {
            Some(kind) => host.trap(kind),
            None => host.fault(format!("{error:#}")),
        },
    }
}

/// The kind of a trap; `None` for one that no module can cause under the engine's settings.
pub(super) fn kind(trap: wasmtime::Trap) -> Option<Trap> {
    use wasmtime::Trap as T;
    Some(match trap {
        T::UnreachableCodeReached => Trap::Unreachable,
        T::MemoryOutOfBounds => Trap::Memory,
        T::IntegerDivisionByZero => Trap::DivisionByZero,
        T::IntegerOverflow => Trap::IntegerOverflow,
        T::BadConversionToInteger => Trap::Conversion,
        T::TableOutOfBounds | T::IndirectCallToNull | T::BadSignature => Trap::IndirectCall,
        T::StackOverflow => Trap::Stack,
        _ => return None,
    })
}
