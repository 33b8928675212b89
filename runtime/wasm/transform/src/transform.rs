//! All passes in their order, and what comes out.

use crate::check::{Checked, MemoryPlan, check};
use crate::gas;
use crate::meter::{Counters, FixedMemory, Meter};
use crate::module::{Additions, Emit, Module, write};
use crate::price::{BadTable, Rate};
use crate::settings::{CodeClass, GAS, STACK, Settings, Wish};
use crate::verdict::Verdict;
use wasm_encoder::ValType;
use wasmparser::{ExternalKind, TypeRef};

/// Why nothing came out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The module is refused. All reasons are in the verdict, one a line.
    #[error("{0}")]
    Refused(Verdict),
    /// The cluster's gas table cannot be used.
    #[error(transparent)]
    Table(#[from] BadTable),
    /// Another of the cluster's settings cannot be used.
    #[error("{what} is {value}, at most {most} is possible")]
    Setting {
        /// Name of the setting.
        what: &'static str,
        /// What it was set to.
        value: u64,
        /// The most that is possible.
        most: u64,
    },
    /// A module that validated could not be written back: a mistake of the transform, on every node alike.
    #[error("the module could not be written back ({0}); this is a mistake of the transform")]
    Internal(String),
}

/// An exported function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedFunction {
    /// Its name.
    pub name: String,
    /// Its index in the module.
    pub index: u32,
    /// The gas of a call, where it is proven: class fixed.
    pub gas: Option<u64>,
}

/// A module as the engine gets it, and what the host has to know about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transformed {
    /// The module. Equal bytes on all nodes with equal settings.
    pub wasm: Vec<u8>,
    /// Its class. Metered modules export [`GAS`] and [`STACK`]; fixed ones have no counters.
    pub class: CodeClass,
    /// Its exported functions.
    pub functions: Vec<ExportedFunction>,
    /// Gas for making an instance, charged by the host before it does.
    pub instance_gas: u64,
    /// Bytes of memory at first and at most; zeros without a memory.
    pub memory_bytes: (u64, u64),
    /// The largest frame of the module, in bytes of the injected stack.
    pub largest_frame: u32,
}

/// Settings that no module can be transformed with.
fn check_settings(settings: &Settings) -> Result<(), Error> {
    settings.gas.check()?;
    let too_much = |what, value: u64, most: u64| match value > most {
        true => Err(Error::Setting { what, value, most }),
        false => Ok(()),
    };
    // Half of what an i32 holds, so that no subtraction of a frame wraps around.
    too_much("stack_bytes", settings.bounds.stack_bytes.into(), 1 << 30)?;
    too_much("memory_bytes", settings.limits.memory_bytes, 1 << 32)?;
    too_much("memories", settings.limits.memories, 1)?;
    too_much("module_bytes", settings.limits.module_bytes, 1 << 26)?;
    for function in settings.host.values() {
        let price = function.price;
        too_much("price of a host function", price.base.max(price.each).into(), crate::price::GasTable::MOST.into())?;
        too_much("shift of a host function", price.shift.into(), 31)?;
    }
    Ok(())
}

/// Checks a module and puts in what the settings ask for. Pure: equal arguments give equal bytes, on every machine and in every build.
///
/// Time and memory are bounded by `settings.limits`, whatever the bytes are.
///
/// # Errors
///
/// [`Error::Refused`] with every reason, if the module may not be deployed.
pub fn transform(wasm: &[u8], settings: &Settings, wish: &Wish) -> Result<Transformed, Error> {
    check_settings(settings)?;
    let checked = check(wasm, settings, wish).map_err(Error::Refused)?;
    assemble(&checked, settings, wish, None).map_err(|error| Error::Internal(error.to_string()))
}

/// How a host gives gas in slices: see [`transform_sliced`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slices {
    /// Module and name of an import of type `i64 -> i64`. It is given the gas that is left, which is below zero, and answers what is left from
    /// then on; or it ends the call. A module that imports it itself is refused like one that imports any unknown name.
    pub refill: (&'static str, &'static str),
    /// Pages that the memory has at first beyond those of the module, if it has one.
    pub more_pages: u64,
}

/// As [`transform`], for a metered module whose gas comes in slices: where it is used up the module asks for more and goes on. What it
/// burns does not depend on the slices.
///
/// # Errors
///
/// As [`transform`].
pub fn transform_sliced(wasm: &[u8], settings: &Settings, wish: &Wish, slices: Slices) -> Result<Transformed, Error> {
    check_settings(settings)?;
    let mut checked = check(wasm, settings, wish).map_err(Error::Refused)?;
    if let (Some(MemoryPlan::Pages(first, most)), Some(memory)) = (checked.memory, checked.module.memories.first_mut())
    {
        let more = first.saturating_add(slices.more_pages).min(most);
        memory.initial = more;
        checked.memory = Some(MemoryPlan::Pages(more, most));
    }
    assemble(&checked, settings, wish, Some(slices)).map_err(|error| Error::Internal(error.to_string()))
}

/// The verdict alone: what [`transform`] would say.
///
/// # Errors
///
/// As [`transform`].
pub fn verdict(wasm: &[u8], settings: &Settings, wish: &Wish) -> Result<(), Error> {
    check_settings(settings)?;
    check(wasm, settings, wish).map(drop).map_err(Error::Refused)
}

/// Price of each imported function.
pub(crate) fn host_prices(module: &Module<'_>, settings: &Settings) -> Vec<Rate> {
    host_functions(module, settings).map(|host| host.map_or(Rate::new(0, 0, 0), |host| host.price)).collect()
}

/// Whether the host charges more than that, for each imported function.
pub(crate) fn open_ended(module: &Module<'_>, settings: &Settings) -> Vec<bool> {
    host_functions(module, settings).map(|host| host.is_none_or(|host| host.open_ended)).collect()
}

fn host_functions<'s>(
    module: &'s Module<'_>,
    settings: &'s Settings,
) -> impl Iterator<Item = Option<&'s crate::settings::HostFunction>> + 's {
    let functions = module.imports.iter().filter(|import| matches!(import.ty, TypeRef::Func(_)));
    functions.map(|import| settings.host.get(&(import.module.to_string(), import.name.to_string())))
}

fn assemble(
    checked: &Checked<'_>,
    settings: &Settings,
    wish: &Wish,
    slices: Option<Slices>,
) -> Result<Transformed, crate::module::WriteError> {
    let module = &checked.module;
    let counters = (wish.class == CodeClass::Metered).then(|| {
        let first = module.globals.len() as u32;
        Counters { gas: first, stack: first + 1 }
    });
    let memory = match checked.memory {
        Some(MemoryPlan::Bytes(bytes)) => Some((bytes >> 16) as u32),
        _ => None,
    };
    let imported = host_prices(module, settings);
    let refill = slices.map(|_| module.imported_count());
    let meter = Meter { module, settings, memory: FixedMemory(memory), counters, imported: &imported, refill };
    let mut additions = Additions::default();
    if let Some(Slices { refill: (of, name), .. }) = slices {
        additions.import = Some((of, name, module.types.len() as u32));
        additions.types = vec![wasmparser::FuncType::new([wasmparser::ValType::I64], [wasmparser::ValType::I64])];
    }
    if counters.is_some() {
        additions.globals = vec![(GAS, ValType::I64, 0), (STACK, ValType::I32, 0)];
    }
    let mut emit = Emit { shims: checked.shims.clone(), moved_from: refill };
    let mut bodies = Vec::with_capacity(module.code.len());
    for ((body, &frame), index) in module.code.iter().zip(&checked.frames).zip(module.imported_count()..) {
        let charges = match counters {
            Some(_) => gas::charges(body, &settings.gas, settings.metering),
            None => Vec::new(),
        };
        bodies.push(meter.body(index, body, &charges, frame, &mut additions, &mut emit)?);
    }
    let wasm = write(module, &additions, &bodies, &mut emit)?;
    let gas_of = |index| checked.fixed.as_ref().and_then(|fixed| fixed.gas.get(&index).copied());
    let exports = module.exports.iter().filter(|export| export.kind == ExternalKind::Func);
    let functions = exports.map(|export| ExportedFunction {
        name: export.name.to_string(),
        index: emit.place(export.index),
        gas: gas_of(export.index),
    });
    Ok(Transformed {
        wasm,
        class: wish.class,
        functions: functions.collect(),
        instance_gas: instance_gas(module, settings),
        memory_bytes: checked.memory.map_or((0, 0), MemoryPlan::bytes),
        largest_frame: checked.frames.iter().copied().max().unwrap_or(0),
    })
}

/// What an instance costs: the bytes that are copied into its memory and the elements that its tables get.
fn instance_gas(module: &Module<'_>, settings: &Settings) -> u64 {
    let active = |data: &&wasmparser::Data<'_>| matches!(data.kind, wasmparser::DataKind::Active { .. });
    let data: u64 = module.data.iter().filter(active).map(|data| data.data.len() as u64).sum();
    let elements: u64 = module.tables.iter().map(|table| table.ty.initial).sum();
    let units = data.saturating_add(elements.saturating_mul(16));
    settings.gas.instance.total(u32::try_from(units).unwrap_or(u32::MAX))
}
