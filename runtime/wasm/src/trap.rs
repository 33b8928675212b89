//! How a guest ended, in the words of the log: of a trap only the kind is history, and what is the host's fault is no
//! end of the guest at all.

use replicode_log::{ExitStatus, TrapKind};
use replicode_machine::Pause;
use wasmtime::{Error, ThrownException, Trap};

/// `proc_exit`, carried through the guest's frames as an error.
#[derive(Debug, thiserror::Error)]
#[error("exit {0}")]
pub struct Exit(pub u32);

/// The host could not do what the configuration promised to the guest: the node must stop, the guest has not failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostFault(pub String);

/// What the end of `_start` means.
pub fn ending(result: Result<(), Error>) -> Pause {
    let error = match result {
        Ok(()) => return Pause::Exited(ExitStatus::Code(0), None),
        Err(error) => error,
    };
    if let Some(Exit(code)) = error.downcast_ref() {
        return Pause::Exited(ExitStatus::Code(*code), None);
    }
    let kind = match error.downcast_ref::<Trap>() {
        Some(trap) => kind(*trap),
        None if error.is::<ThrownException>() || error.is::<wasmtime::GcHeapOutOfMemory<()>>() => TrapKind::Other,
        // Neither an exit, nor a trap, nor an exception: the engine could not get memory or a stack from the host.
        None => return Pause::Fault(format!("{error:#}")),
    };
    Pause::Exited(ExitStatus::Trap(kind), Some(format!("{error:?}")))
}

const fn kind(trap: Trap) -> TrapKind {
    match trap {
        Trap::StackOverflow => TrapKind::StackOverflow,
        Trap::MemoryOutOfBounds | Trap::TableOutOfBounds | Trap::HeapMisaligned | Trap::ArrayOutOfBounds => {
            TrapKind::OutOfBounds
        }
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => TrapKind::Arithmetic,
        Trap::IndirectCallToNull | Trap::BadSignature | Trap::NullReference => TrapKind::BadCall,
        _ => TrapKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(error: Error) -> Option<TrapKind> {
        match ending(Err(error)) {
            Pause::Exited(ExitStatus::Trap(kind), _) => Some(kind),
            _ => None,
        }
    }

    #[test]
    fn each_end_has_its_own_word() {
        assert!(matches!(ending(Ok(())), Pause::Exited(ExitStatus::Code(0), None)));
        assert!(matches!(ending(Err(Exit(3).into())), Pause::Exited(ExitStatus::Code(3), None)));
        assert_eq!(kind_of(Trap::StackOverflow.into()), Some(TrapKind::StackOverflow));
        assert_eq!(kind_of(Trap::MemoryOutOfBounds.into()), Some(TrapKind::OutOfBounds));
        assert_eq!(kind_of(Trap::UnreachableCodeReached.into()), Some(TrapKind::Unreachable));
        assert_eq!(kind_of(Trap::IntegerDivisionByZero.into()), Some(TrapKind::Arithmetic));
        assert_eq!(kind_of(Trap::IndirectCallToNull.into()), Some(TrapKind::BadCall));
    }

    #[test]
    fn what_the_host_failed_is_no_end_of_the_guest() {
        assert!(matches!(ending(Err(HostFault("no memory".into()).into())), Pause::Fault(_)));
        assert!(matches!(ending(Err(Error::msg("mmap failed"))), Pause::Fault(_)));
    }
}
