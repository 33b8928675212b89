//! The functions of the import module `host`, and what they cost beyond the call.

use super::failure::Failure;
use super::host::Host;
use super::run::{Ctx, Run, charge, empty, left, run_of, settle, supply};
use replicode_transform::{HostFunction, HostTable, Rate, Value};
use wasmtime::{AsContextMut, Caller, Engine, Linker};

/// The import module of plugins.
pub const MODULE: &str = "host";
/// What a module asks for more fuel. It is put in by the transform; nobody can import it.
pub(super) const REFILL: (&str, &str) = (MODULE, "__slice");
/// The name under which a module exports the memory that host functions reach.
pub(super) const MEMORY: &str = "memory";

/// What `call` answers when there is no such function.
const NOT_FOUND: i32 = -1;
/// What `call` answers when the function failed.
const FAILED: i32 = -2;

const I32: Value = Value::I32;

/// Bytes of an answer that cost one unit of fuel, and units that each key of a list costs besides: what the parameters do not tell
/// beforehand is paid when it is known.
const BYTES_FOR_ONE: u64 = 8;
const KEY: u64 = 150;

/// Name, parameters, results, price: for the call, and for each 8 or 16 of the units that the last parameter counts.
const TABLE: [(&str, &[Value], &[Value], Rate); 10] = [
    ("log", &[I32, I32], &[], Rate::new(100, 1, 3)),
    ("get_state", &[I32, I32], &[I32], Rate::new(1000, 1, 3)),
    ("read", &[I32, I32], &[I32], Rate::new(50, 1, 4)),
    ("set_state", &[I32, I32, I32, I32], &[], Rate::new(2000, 1, 3)),
    ("delete_state", &[I32, I32], &[I32], Rate::new(2000, 1, 3)),
    ("list_state", &[I32, I32], &[I32], Rate::new(2000, 1, 3)),
    ("output", &[I32, I32], &[], Rate::new(50, 1, 4)),
    ("error", &[I32, I32], &[], Rate::new(50, 1, 4)),
    ("fuel_left", &[], &[Value::I64], Rate::new(20, 0, 0)),
    ("call", &[I32, I32, I32, I32], &[I32], Rate::new(2000, 1, 3)),
];

/// Bytes of the longest name that is looked up: more than any function is called.
const MOST_NAME: u32 = 128;

/// Everything here that changes what a function burns or is answered, besides what the transform is told.
pub(super) fn prices() -> String {
    format!("byte 1/{BYTES_FOR_ONE}, key {KEY}, name {MOST_NAME}")
}

/// What can be imported, for the transform.
pub(super) fn table() -> HostTable {
    let row = |(name, params, results, price): (&str, &[Value], &[Value], Rate)| {
        let function = HostFunction { params: params.to_vec(), results: results.to_vec(), price, open_ended: true };
        ((MODULE.to_string(), name.to_string()), function)
    };
    TABLE.into_iter().map(row).collect()
}

/// Whether an import can reach state.
pub(super) fn touches_state(import: &str) -> bool {
    matches!(import, "host.get_state" | "host.set_state" | "host.delete_state" | "host.list_state" | "host.call")
}

type Answer<R> = wasmtime::Result<R>;

/// Memory and execution of the caller, at the same time.
pub(super) fn parts<'c, E: Host>(
    caller: &'c mut Caller<'_, Ctx<E>>,
) -> Result<(&'c mut [u8], &'c mut Run<E>), Failure> {
    match caller.data().memory {
        Some(memory) => {
            let (memory, ctx) = memory.data_and_store_mut(caller);
            Ok((memory, run_of(ctx)?))
        }
        None => Ok((&mut [], run_of(caller.data_mut())?)),
    }
}

fn slice(memory: &[u8], at: u32, len: u32) -> Result<&[u8], Failure> {
    let (start, len) = (at as usize, len as usize);
    let found = start.checked_add(len).and_then(|end| memory.get(start..end));
    found.ok_or_else(|| Failure::Trap(format!("it gave {len} bytes at {at}, which is not all in its memory")))
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// A linker with all host functions.
pub(super) fn build<E: Host>(engine: &Engine) -> wasmtime::Result<Linker<Ctx<E>>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(REFILL.0, REFILL.1, |mut caller: Caller<'_, Ctx<E>>, left: i64| -> Answer<i64> {
        let granted = run_of(caller.data_mut())?.refill(left);
        if granted.is_err() {
            // What is left has been told; what stands in the counter is older.
            empty(&mut caller.as_context_mut());
        }
        Ok(granted?)
    })?;
    linker.func_wrap(MODULE, "log", |mut caller: Caller<'_, Ctx<E>>, at: u32, len: u32| -> Answer<()> {
        let (memory, run) = parts(&mut caller)?;
        Ok(run.host.log(slice(memory, at, len)?)?)
    })?;
    let get = |mut caller: Caller<'_, Ctx<E>>, at: u32, len: u32| -> Answer<i32> {
        let (memory, run) = parts(&mut caller)?;
        run.answer.clear();
        let found = run.host.get(slice(memory, at, len)?, &mut run.answer)?;
        let bytes = run.answer.len();
        charge(&mut caller, (u64::from(len) + bytes as u64) / BYTES_FOR_ONE)?;
        Ok(if found { length(bytes) } else { -1 })
    };
    linker.func_wrap(MODULE, "get_state", get)?;
    linker.func_wrap(MODULE, "read", |mut caller: Caller<'_, Ctx<E>>, to: u32, cap: u32| -> Answer<i32> {
        let (memory, run) = parts(&mut caller)?;
        let count = run.answer.len().min(cap as usize);
        slice(memory, to, count as u32)?;
        let start = to as usize;
        if let (Some(room), Some(bytes)) = (memory.get_mut(start..start + count), run.answer.get(..count)) {
            room.copy_from_slice(bytes);
        }
        Ok(length(count))
    })?;
    linker.func_wrap(
        MODULE,
        "set_state",
        |mut caller: Caller<'_, Ctx<E>>, key: u32, key_len: u32, value: u32, value_len: u32| -> Answer<()> {
            let (memory, run) = parts(&mut caller)?;
            run.host.set(slice(memory, key, key_len)?, slice(memory, value, value_len)?)?;
            // The value is in the price of the call.
            Ok(charge(&mut caller, u64::from(key_len) / BYTES_FOR_ONE)?)
        },
    )?;
    linker.func_wrap(MODULE, "delete_state", |mut caller: Caller<'_, Ctx<E>>, at: u32, len: u32| -> Answer<i32> {
        let (memory, run) = parts(&mut caller)?;
        Ok(run.host.delete(slice(memory, at, len)?)?.into())
    })?;
    linker.func_wrap(MODULE, "list_state", |mut caller: Caller<'_, Ctx<E>>, at: u32, len: u32| -> Answer<i32> {
        let left = u64::try_from(left(&mut caller.as_context_mut())).unwrap_or(0);
        let (memory, run) = parts(&mut caller)?;
        run.answer.clear();
        // It walks no further than what is left of the fuel pays for.
        let (answer, mut units) = (&mut run.answer, 0_u64);
        let listed = run.host.list(slice(memory, at, len)?, &mut |key| {
            answer.extend_from_slice(&(key.len() as u32).to_le_bytes());
            answer.extend_from_slice(key);
            units = units.saturating_add(KEY);
            units.saturating_add(answer.len() as u64 / BYTES_FOR_ONE) <= left
        });
        let bytes = run.answer.len();
        charge(&mut caller, units.saturating_add(bytes as u64 / BYTES_FOR_ONE))?;
        listed?;
        Ok(length(bytes))
    })?;
    linker.func_wrap(MODULE, "output", |mut caller: Caller<'_, Ctx<E>>, at: u32, len: u32| -> Answer<()> {
        let (memory, run) = parts(&mut caller)?;
        let bytes = slice(memory, at, len)?;
        let (wrote, limit) = (run.output.len() as u64 + u64::from(len), run.limits().output_bytes);
        if wrote > limit {
            return Err(Failure::Output { wrote, limit }.into());
        }
        run.output.extend_from_slice(bytes);
        Ok(())
    })?;
    linker.func_wrap(MODULE, "error", |mut caller: Caller<'_, Ctx<E>>, at: u32, len: u32| -> Answer<()> {
        /// More than a person reads.
        const MOST: u32 = 4096;
        let (memory, run) = parts(&mut caller)?;
        run.said.clear();
        run.said.extend_from_slice(slice(memory, at, len.min(MOST))?);
        Ok(())
    })?;
    linker.func_wrap(MODULE, "fuel_left", |mut caller: Caller<'_, Ctx<E>>| -> Answer<i64> {
        Ok(left(&mut caller.as_context_mut()))
    })?;
    linker.func_wrap(MODULE, "call", nested)?;
    super::wasi::link(&mut linker, engine)?;
    Ok(linker)
}

/// A function calls a function: the length of its output, which `read` gives, or what is wrong.
fn nested<E: Host>(
    mut caller: Caller<'_, Ctx<E>>,
    name: u32,
    name_len: u32,
    input: u32,
    input_len: u32,
) -> Answer<i32> {
    let (memory, run) = parts(&mut caller)?;
    run.answer.clear();
    // What can be wrong with the caller is found before the callee is entered: who has been entered has to be left.
    let name = slice(memory, name, name_len)?;
    let input = slice(memory, input, input_len)?;
    if name_len > MOST_NAME {
        return Ok(NOT_FOUND);
    }
    let input = input.to_vec();
    let held = memory.len() as u64;
    let Some(code) = run.host.enter(name)? else { return Ok(NOT_FOUND) };
    settle(&mut caller.as_context_mut());
    let Some(mut run) = caller.data_mut().run.take() else {
        return Err(Failure::Host("a function was called outside of an execution".into()).into());
    };
    // The caller's own output and words are kept for it.
    let output = std::mem::take(&mut run.output);
    let said = std::mem::take(&mut run.said);
    run.hold(held);
    let (mut run, result) = run.execute(&code, super::code::ENTRY, &input);
    run.release(held);
    run.host.leave(result.is_ok());
    run.answer = std::mem::replace(&mut run.output, output);
    run.said = said;
    let answer = match &result {
        Ok(()) => length(run.answer.len()),
        Err(Failure::Plugin { .. } | Failure::Trap(_)) => FAILED,
        Err(_) => 0,
    };
    if let Err(failure @ (Failure::Plugin { .. } | Failure::Trap(_))) = &result {
        run.answer.clear();
        run.answer.extend_from_slice(failure.to_string().as_bytes());
    }
    caller.data_mut().run = Some(run);
    match result {
        Ok(()) | Err(Failure::Plugin { .. } | Failure::Trap(_)) => {
            supply(&mut caller.as_context_mut())?;
            Ok(answer)
        }
        // What it may use is everybody's.
        Err(failure) => Err(failure.into()),
    }
}
