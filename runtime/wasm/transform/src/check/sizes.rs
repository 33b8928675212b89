//! Memory, tables and segments: whether an instance could be made at all, and how large its memory is.

use crate::limits::Quantity;
use crate::module::Module;
use crate::module::within;
use crate::settings::{Settings, Wish};
use crate::verdict::{Complaint, Place, Verdict};
use wasmparser::{ConstExpr, DataKind, ElementItems, ElementKind, Operator};

/// Bytes of an ordinary page.
pub(crate) const PAGE: u64 = 1 << 16;

/// How the memory of a module is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemoryPlan {
    /// Ordinary pages: at first, at most.
    Pages(u64, u64),
    /// Exactly this many bytes, in pages of one byte, never growing. To the program its size is that of the whole ordinary pages in it.
    Bytes(u64),
}

impl MemoryPlan {
    /// Bytes at first and at most.
    pub(crate) fn bytes(self) -> (u64, u64) {
        match self {
            MemoryPlan::Pages(min, max) => (min * PAGE, max * PAGE),
            MemoryPlan::Bytes(bytes) => (bytes, bytes),
        }
    }

    /// Sets the memory of the model.
    pub(crate) fn apply(self, module: &mut Module<'_>) {
        let Some(memory) = module.memories.first_mut() else { return };
        match self {
            MemoryPlan::Pages(min, max) => {
                memory.initial = min;
                memory.maximum = Some(max);
            }
            MemoryPlan::Bytes(bytes) => {
                memory.initial = bytes;
                memory.maximum = Some(bytes);
                memory.page_size_log2 = Some(0);
            }
        }
    }
}

/// Decides on the size of the memory: what the template declares, within the cluster's limit.
pub(crate) fn memory(
    module: &Module<'_>,
    settings: &Settings,
    wish: &Wish,
    verdict: &mut Verdict,
) -> Option<MemoryPlan> {
    let memory = module.memories.first()?;
    let declared = wish.memory_bytes;
    if !within(Quantity::MemoryBytes, declared, &settings.limits, Place::Module, verdict) {
        return None;
    }
    let found = memory.initial.saturating_mul(PAGE);
    if !declared.is_multiple_of(PAGE) {
        // Compilers know whole pages only. The author says how much of them is used, and segments are checked against it.
        if found > declared.next_multiple_of(PAGE) {
            verdict.add(Complaint::MemoryDeclared { found, declared });
        }
        return Some(MemoryPlan::Bytes(declared));
    }
    if found > declared {
        verdict.add(Complaint::MemoryDeclared { found, declared });
    }
    let most = (declared / PAGE).min(memory.maximum.unwrap_or(u64::MAX)).max(memory.initial);
    Some(MemoryPlan::Pages(memory.initial, most))
}

/// Each table begins within the limit.
pub(crate) fn tables(module: &Module<'_>, settings: &Settings, verdict: &mut Verdict) {
    for table in &module.tables {
        within(Quantity::TableElements, table.ty.initial, &settings.limits, Place::Module, verdict);
    }
}

/// Writes the limit into tables that could grow beyond it, so that growing fails alike on all engines.
pub(crate) fn bound_tables(module: &mut Module<'_>, settings: &Settings) {
    let limit = settings.limits.table_elements;
    for table in &mut module.tables {
        table.ty.maximum = Some(table.ty.maximum.map_or(limit, |own| own.min(limit)));
    }
}

/// Active segments have to fit into what is there at the start, or no instance could ever be made.
pub(crate) fn segments(module: &Module<'_>, memory: Option<&MemoryPlan>, verdict: &mut Verdict) {
    for (index, segment) in module.data.iter().enumerate() {
        let DataKind::Active { offset_expr, .. } = &segment.kind else { continue };
        let (Some(offset), Some(plan)) = (constant(offset_expr), memory) else { continue };
        let (end, size) = (u64::from(offset) + segment.data.len() as u64, plan.bytes().0);
        if end > size {
            verdict.add(Complaint::Segment { kind: "data", index, end, size, unit: "bytes" });
        }
    }
    for (index, segment) in module.elements.iter().enumerate() {
        let ElementKind::Active { table_index, offset_expr } = &segment.kind else { continue };
        let table = module.tables.get(table_index.unwrap_or(0) as usize);
        let (Some(offset), Some(table)) = (constant(offset_expr), table) else { continue };
        let count = match &segment.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        };
        let (end, size) = (u64::from(offset) + u64::from(count), table.ty.initial);
        if end > size {
            verdict.add(Complaint::Segment { kind: "element", index, end, size, unit: "elements" });
        }
    }
}

/// The value of a constant expression that is nothing but a constant. Others are left to instantiation, which traps alike on all nodes.
fn constant(expr: &ConstExpr<'_>) -> Option<u32> {
    let mut ops = expr.get_operators_reader();
    let Ok(Operator::I32Const { value }) = ops.read() else { return None };
    matches!(ops.read(), Ok(Operator::End)).then_some(value.cast_unsigned())
}
