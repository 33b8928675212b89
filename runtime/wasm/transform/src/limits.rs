//! How much of everything a module may have, with the reason for each bound.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Bounds of a cluster. A module beyond one is refused at deploy, before anything that takes more than linear time looks at it.
///
/// They also bound the transform itself: its memory is some sixty times `code_bytes`, its time linear in `module_bytes`, except for
/// operands of branches, where it is at most `code_bytes` times `results`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of the whole module: it enters the log and every node's memory.
    pub module_bytes: u64,
    /// Bytes of one function: code generators are worse than linear in it.
    pub function_bytes: u64,
    /// Bytes of all functions together: compiled on every node at deploy.
    pub code_bytes: u64,
    /// Function types.
    pub types: u64,
    /// Parameters of one type.
    pub params: u64,
    /// Results of one type: each branch is checked against as many.
    pub results: u64,
    /// Functions defined in the module.
    pub functions: u64,
    /// Imports.
    pub imports: u64,
    /// Exports: resolved by name at each instantiation.
    pub exports: u64,
    /// Bytes of one name of an import or export.
    pub name_bytes: u64,
    /// Globals: set at each instantiation.
    pub globals: u64,
    /// Tables.
    pub tables: u64,
    /// Elements of one table, as it may become: reserved for each instance.
    pub table_elements: u64,
    /// Memories.
    pub memories: u64,
    /// Bytes of the memory: reserved for each instance, and cleared after it.
    pub memory_bytes: u64,
    /// Parameters and locals of one function: set to zero at each entry.
    pub locals: u64,
    /// Depth of blocks, loops and ifs in each other.
    pub nesting: u64,
    /// Targets of one `br_table`.
    pub switch_targets: u64,
    /// Data segments.
    pub data_segments: u64,
    /// Bytes of all data segments: copied at each instantiation.
    pub data_bytes: u64,
    /// Element segments.
    pub element_segments: u64,
    /// Entries of all element segments: copied at each instantiation.
    pub element_items: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            module_bytes: 1 << 20,
            function_bytes: 128 << 10,
            code_bytes: 768 << 10,
            types: 1024,
            params: 64,
            results: 16,
            functions: 4096,
            imports: 256,
            exports: 256,
            name_bytes: 256,
            globals: 256,
            tables: 4,
            table_elements: 16_384,
            memories: 1,
            memory_bytes: 1 << 20,
            locals: 2048,
            nesting: 256,
            switch_targets: 4096,
            data_segments: 256,
            data_bytes: 512 << 10,
            element_segments: 64,
            element_items: 16_384,
        }
    }
}

/// Something that is counted and bounded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "each is the field of `Limits` of the same name")]
pub enum Quantity {
    ModuleBytes,
    FunctionBytes,
    CodeBytes,
    Types,
    Params,
    Results,
    Functions,
    Imports,
    Exports,
    NameBytes,
    Globals,
    Tables,
    TableElements,
    Memories,
    MemoryBytes,
    Locals,
    Nesting,
    SwitchTargets,
    DataSegments,
    DataBytes,
    ElementSegments,
    ElementItems,
}

impl Quantity {
    /// The bound of this quantity.
    pub fn limit(self, limits: &Limits) -> u64 {
        match self {
            Quantity::ModuleBytes => limits.module_bytes,
            Quantity::FunctionBytes => limits.function_bytes,
            Quantity::CodeBytes => limits.code_bytes,
            Quantity::Types => limits.types,
            Quantity::Params => limits.params,
            Quantity::Results => limits.results,
            Quantity::Functions => limits.functions,
            Quantity::Imports => limits.imports,
            Quantity::Exports => limits.exports,
            Quantity::NameBytes => limits.name_bytes,
            Quantity::Globals => limits.globals,
            Quantity::Tables => limits.tables,
            Quantity::TableElements => limits.table_elements,
            Quantity::Memories => limits.memories,
            Quantity::MemoryBytes => limits.memory_bytes,
            Quantity::Locals => limits.locals,
            Quantity::Nesting => limits.nesting,
            Quantity::SwitchTargets => limits.switch_targets,
            Quantity::DataSegments => limits.data_segments,
            Quantity::DataBytes => limits.data_bytes,
            Quantity::ElementSegments => limits.element_segments,
            Quantity::ElementItems => limits.element_items,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quantity::ModuleBytes => "bytes of the module",
            Quantity::FunctionBytes => "bytes of a function",
            Quantity::CodeBytes => "bytes of code",
            Quantity::Types => "types",
            Quantity::Params => "parameters of a type",
            Quantity::Results => "results of a type",
            Quantity::Functions => "functions",
            Quantity::Imports => "imports",
            Quantity::Exports => "exports",
            Quantity::NameBytes => "bytes of a name",
            Quantity::Globals => "globals",
            Quantity::Tables => "tables",
            Quantity::TableElements => "elements of a table",
            Quantity::Memories => "memories",
            Quantity::MemoryBytes => "bytes of memory",
            Quantity::Locals => "locals of a function",
            Quantity::Nesting => "blocks inside each other",
            Quantity::SwitchTargets => "targets of a br_table",
            Quantity::DataSegments => "data segments",
            Quantity::DataBytes => "bytes of data",
            Quantity::ElementSegments => "element segments",
            Quantity::ElementItems => "entries of element segments",
        })
    }
}
