//! Binary mode: a connection that begins with [`MAGIC`] carries frames in both directions. Little endian, execute and chain only.
//!
//! ```text
//! request  length u32 | op u8 | flags u8 | reserved u16 | id u64 | uuid 16 | timeout_ms u32 | memory_limit_mb u32 | fuel u64 | output_limit_mb u32 | reserved u32 | payload
//! answer   length u32 | status u8 | flags u8 | stage u16 | id u64 | fuel u64 | payload
//! ```
//!
//! `length` counts what follows it. A limit of 0 is one that is not given. `op` 1 is execute, the payload is the input; 2 is chain, the
//! payload is `count u8 | count × uuid | input`, and the frame's own uuid is not looked at. `status` 0 is success, and the payload the
//! output; else it is the number of the error, and the payload its words.

use crate::error::{ErrorCode, ServiceError};
use crate::limits::{ExecutionConfig, MOST_STAGES};
use crate::uuid::Uuid;

/// What a connection in binary mode begins with.
pub(super) const MAGIC: &[u8; 4] = b"RFN1";
/// Bytes of a request before its payload, without its length.
pub(super) const HEAD: usize = 52;
/// Go on when the client is gone.
const DETACH: u8 = 1;
/// State may be read only.
const READ_ONLY: u8 = 2;

/// A request.
#[derive(Debug, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) id: u64,
    pub(super) what: What,
    pub(super) detach: bool,
    pub(super) read_only: bool,
    pub(super) config: ExecutionConfig,
    pub(super) input: &'a [u8],
}

/// What is to be run.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    Execute(Uuid),
    Chain(Vec<Uuid>),
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// The id of a frame, as far as it is there.
pub(super) fn id_of(frame: &[u8]) -> u64 {
    u64::from_le_bytes(field(frame, 4))
}

/// Reads a frame, without its length.
pub(super) fn parse(frame: &[u8]) -> Result<Frame<'_>, ServiceError> {
    let wrong = |code, why: String| Err(ServiceError::new(code, why));
    let Some((head, mut payload)) = frame.split_at_checked(HEAD) else {
        let why = format!("a frame has {} bytes, and {HEAD} at least", frame.len());
        return wrong(ErrorCode::BadRequest, why);
    };
    let [op, flags, r0, r1] = field(head, 0);
    if flags & !(DETACH | READ_ONLY) != 0 || [r0, r1] != [0, 0] || field::<4>(head, 48) != [0; 4] {
        return wrong(ErrorCode::BadRequest, "flags or reserved bytes are set that mean nothing".into());
    }
    let set = |value: u64| (value > 0).then_some(value);
    let config = ExecutionConfig {
        timeout_ms: set(u32::from_le_bytes(field(head, 28)).into()),
        memory_limit_mb: set(u32::from_le_bytes(field(head, 32)).into()),
        fuel: set(u64::from_le_bytes(field(head, 36))),
        output_limit_mb: set(u32::from_le_bytes(field(head, 44)).into()),
    };
    let what = match op {
        1 => What::Execute(Uuid(field(head, 12))),
        2 => {
            let count = payload.first().copied().map_or(0, usize::from);
            let list = payload.get(1..1 + 16 * count);
            let Some(list) = list.filter(|_| (1..=MOST_STAGES).contains(&count)) else {
                let why = format!("a chain of {count} stages: 1 to {MOST_STAGES} are possible, 16 bytes each");
                return wrong(ErrorCode::BadRequest, why);
            };
            payload = payload.get(1 + 16 * count..).unwrap_or_default();
            What::Chain(list.as_chunks::<16>().0.iter().map(|uuid| Uuid(*uuid)).collect())
        }
        other => return wrong(ErrorCode::UnknownOp, format!("frames of op {other} are unknown: 1 executes, 2 chains")),
    };
    let (detach, read_only) = (flags & DETACH != 0, flags & READ_ONLY != 0);
    Ok(Frame { id: id_of(frame), what, detach, read_only, config, input: payload })
}

fn answer(out: &mut Vec<u8>, status: u8, stage: u16, id: u64, fuel: u64, payload: &[u8]) {
    let length = u32::try_from(20 + payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[status, 0]);
    out.extend_from_slice(&stage.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&fuel.to_le_bytes());
    out.extend_from_slice(payload);
}

/// What an execution has done.
pub(super) fn ok(out: &mut Vec<u8>, id: u64, fuel: u64, output: &[u8]) {
    answer(out, 0, 0, id, fuel, output);
}

/// That a request failed.
pub(super) fn error(out: &mut Vec<u8>, id: u64, error: &ServiceError) {
    let stage = error.stage.map_or(0, |stage| u16::try_from(stage).unwrap_or(u16::MAX));
    answer(out, error.code as u8, stage, id, error.fuel.unwrap_or(0), error.message.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(op: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![op, flags, 0, 0];
        frame.extend_from_slice(&7u64.to_le_bytes());
        frame.extend_from_slice(&[9; 16]);
        frame.extend_from_slice(&100u32.to_le_bytes());
        frame.extend_from_slice(&0u32.to_le_bytes());
        frame.extend_from_slice(&5u64.to_le_bytes());
        frame.extend_from_slice(&[0; 8]);
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_are_read() {
        let bytes = frame(1, 1, b"in");
        let read = parse(&bytes).unwrap();
        assert_eq!((read.id, read.input, read.detach, read.what), (7, &b"in"[..], true, What::Execute(Uuid([9; 16]))));
        assert_eq!((read.config.timeout_ms, read.config.memory_limit_mb, read.config.fuel), (Some(100), None, Some(5)));
        let mut payload = vec![2];
        payload.extend_from_slice(&[1; 16]);
        payload.extend_from_slice(&[2; 16]);
        payload.extend_from_slice(b"x");
        let bytes = frame(2, 0, &payload);
        let read = parse(&bytes).unwrap();
        assert_eq!((read.what, read.input), (What::Chain(vec![Uuid([1; 16]), Uuid([2; 16])]), &b"x"[..]));
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        let whole = frame(1, 0, b"");
        for cut in 0..HEAD {
            assert!(parse(&whole[..cut]).is_err(), "{cut}");
        }
        for (op, flags, payload) in [(0, 0, &b""[..]), (1, 4, b""), (2, 0, b""), (2, 0, b"\0"), (2, 0, &[65; 2000])] {
            assert!(parse(&frame(op, flags, payload)).is_err(), "{op} {flags}");
        }
    }
}
