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

/// What the end of `_start` means. `failure`: what the host could not give the guest meanwhile; then the end, whatever it
/// looks like, may be one that no other node sees.
pub fn ending(result: Result<(), Error>, failure: Option<String>) -> Pause {
    if let Some(why) = failure {
        return Pause::Fault(why);
    }
    let error = match result {
        Ok(()) => return Pause::Exited(ExitStatus::Code(0), None),
        Err(error) => error,
    };
    if let Some(Exit(code)) = error.downcast_ref() {
        return Pause::Exited(ExitStatus::Code(*code), None);
    }
    let kind = match error.downcast_ref::<Trap>() {
        Some(trap) => kind(*trap),
        None if error.is::<ThrownException>() || error.is::<wasmtime::GcHeapOutOfMemory<()>>() => Some(TrapKind::Other),
        None => None,
    };
    // Neither an exit, nor an exception, nor a trap that a program can cause: the engine could not get memory or a stack
    // from the host, or is broken.
    let Some(kind) = kind else { return Pause::Fault(format!("{error:#}")) };
    Pause::Exited(ExitStatus::Trap(kind), Some(told(&format!("{error:?}"))))
}

/// Most bytes of what is told about a trap.
const TOLD: usize = 8 << 10;

/// The engine's text about a trap. It holds names of functions, which are whatever the module says: of any length, with
/// any characters. The end says why it happened, so what is too much is taken out of the middle.
fn told(text: &str) -> String {
    let printable = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    if text.len() <= TOLD {
        return text.chars().map(printable).collect();
    }
    let (head, tail) = (text.floor_char_boundary(TOLD / 2), text.ceil_char_boundary(text.len() - TOLD / 2));
    let cut = format!("\n… {} bytes left out …\n", tail - head);
    text[..head].chars().chain(cut.chars()).chain(text[tail..].chars()).map(printable).collect()
}

/// The kind of a trap; `None` for one that no program can cause under the engine's settings.
const fn kind(trap: Trap) -> Option<TrapKind> {
    Some(match trap {
        Trap::StackOverflow => TrapKind::StackOverflow,
        Trap::MemoryOutOfBounds | Trap::TableOutOfBounds | Trap::HeapMisaligned | Trap::ArrayOutOfBounds => {
            TrapKind::OutOfBounds
        }
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => TrapKind::Arithmetic,
        Trap::IndirectCallToNull | Trap::BadSignature | Trap::NullReference => TrapKind::BadCall,
        Trap::AllocationTooLarge => TrapKind::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(error: Error) -> Option<TrapKind> {
        match ending(Err(error), None) {
            Pause::Exited(ExitStatus::Trap(kind), _) => Some(kind),
            _ => None,
        }
    }

    #[test]
    fn each_end_has_its_own_word() {
        assert!(matches!(ending(Ok(()), None), Pause::Exited(ExitStatus::Code(0), None)));
        assert!(matches!(ending(Err(Exit(3).into()), None), Pause::Exited(ExitStatus::Code(3), None)));
        assert_eq!(kind_of(Trap::StackOverflow.into()), Some(TrapKind::StackOverflow));
        assert_eq!(kind_of(Trap::MemoryOutOfBounds.into()), Some(TrapKind::OutOfBounds));
        assert_eq!(kind_of(Trap::UnreachableCodeReached.into()), Some(TrapKind::Unreachable));
        assert_eq!(kind_of(Trap::IntegerDivisionByZero.into()), Some(TrapKind::Arithmetic));
        assert_eq!(kind_of(Trap::IndirectCallToNull.into()), Some(TrapKind::BadCall));
    }

    #[test]
    fn what_is_told_is_bounded_and_harmless() {
        let short = "error while executing\n  0: main\n\nCaused by:\n    wasm trap: unreachable";
        assert_eq!(told(short), short);
        assert_eq!(told("0: \u{1b}[2Jmain\r"), "0: \u{fffd}[2Jmain\u{fffd}");
        let long = format!("0: {}\nwasm trap: unreachable", "ä".repeat(1 << 20));
        let told = told(&long);
        assert!(told.len() < TOLD + 64 && told.starts_with("0: ä") && told.ends_with("wasm trap: unreachable"));
        assert!(told.contains("bytes left out"));
    }

    #[test]
    fn what_the_host_failed_is_no_end_of_the_guest() {
        let fault = |result, failure| matches!(ending(result, failure), Pause::Fault(_));
        assert!(fault(Err(HostFault("no memory".into()).into()), None));
        assert!(fault(Err(Error::msg("mmap failed")), None));
        // Traps that only a host, or an engine with other settings, can cause.
        assert!(fault(Err(Trap::Interrupt.into()), None) && fault(Err(Trap::OutOfFuel.into()), None));
        // After a failure of the host no end of the guest counts.
        let ends = [Trap::StackOverflow.into(), Exit(1).into()];
        assert!(ends.into_iter().all(|error: Error| fault(Err(error), Some("no memory".into()))));
        assert!(fault(Ok(()), Some("no memory".into())));
    }
}
