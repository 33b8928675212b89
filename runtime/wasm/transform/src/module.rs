//! The model of a module: sections as vectors, bodies as vectors of operators. Read once, looked at and changed by several passes, written once.
//!
//! Indices never move: passes only append. So names, tables and whatever a host knows about a module stay true.

mod read;
mod write;

pub(crate) use read::{invalid, read, within};
pub(crate) use write::{Additions, Emit, Error as WriteError, block_of, write};

use crate::verdict::FunctionName;
use std::collections::BTreeMap;
use wasmparser::{Data, Element, FuncType, Global, Import, MemoryType, Operator, Table, TypeRef, ValType};

/// A core module.
#[derive(Default)]
pub struct Module<'a> {
    /// Function types. Others are refused when read; an empty type stands in their place.
    pub types: Vec<FuncType>,
    /// Imports. Only functions are accepted.
    pub imports: Vec<Import<'a>>,
    /// Types of the functions that the module defines.
    pub functions: Vec<u32>,
    /// Tables.
    pub tables: Vec<Table<'a>>,
    /// Memories.
    pub memories: Vec<MemoryType>,
    /// Globals.
    pub globals: Vec<Global<'a>>,
    /// Exports.
    pub exports: Vec<wasmparser::Export<'a>>,
    /// Start function, and the byte where it is named.
    pub start: Option<(u32, usize)>,
    /// Element segments.
    pub elements: Vec<Element<'a>>,
    /// Number of data segments, where the module states it before its code.
    pub data_count: Option<u32>,
    /// Bodies of the functions that the module defines.
    pub code: Vec<Body<'a>>,
    /// Data segments.
    pub data: Vec<Data<'a>>,
    /// The name section, which is the one custom section that stays.
    pub names: Option<&'a [u8]>,
    /// Names of functions, for people.
    pub function_names: BTreeMap<u32, String>,
}

/// The body of a function.
#[derive(Debug, Clone, Default)]
pub struct Body<'a> {
    /// Runs of locals beyond the parameters.
    pub locals: Vec<(u32, ValType)>,
    /// All operators, the last `end` included.
    pub ops: Vec<Operator<'a>>,
    /// The byte of the module where each operator stands.
    pub at: Vec<u32>,
}

impl Body<'_> {
    /// Number of locals beyond the parameters.
    pub fn local_count(&self) -> u32 {
        self.locals.iter().fold(0, |sum, (count, _)| sum.saturating_add(*count))
    }

    /// The byte of the module where an operator stands.
    pub fn byte(&self, op: usize) -> usize {
        self.at.get(op).copied().unwrap_or_default() as usize
    }
}

impl Module<'_> {
    /// Types of the imported functions.
    pub fn imported_functions(&self) -> impl Iterator<Item = u32> + '_ {
        self.imports.iter().filter_map(|import| match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => Some(ty),
            _ => None,
        })
    }

    /// How many functions come before those that the module defines.
    pub fn imported_count(&self) -> u32 {
        self.imported_functions().count() as u32
    }

    /// Index in the type section of a function's type.
    pub fn type_index(&self, function: u32) -> Option<u32> {
        let imported = self.imported_count();
        match function.checked_sub(imported) {
            None => self.imported_functions().nth(function as usize),
            Some(defined) => self.functions.get(defined as usize).copied(),
        }
    }

    /// The type of a function.
    pub fn function_type(&self, function: u32) -> Option<&FuncType> {
        self.types.get(self.type_index(function)? as usize)
    }

    /// A function as people know it.
    pub fn name_of(&self, function: u32) -> FunctionName {
        let exported = || {
            let mut exports = self.exports.iter();
            exports
                .find(|e| e.kind == wasmparser::ExternalKind::Func && e.index == function)
                .map(|e| e.name.to_string())
        };
        FunctionName { index: function, name: self.function_names.get(&function).cloned().or_else(exported) }
    }
}
