//! Writing a module back: everything as it was read, except for what the passes say.

use super::Module;
use std::collections::BTreeMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection, Encode,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    MemorySection, TableSection, TypeSection, ValType,
};

/// What cannot happen to a module that validated; the engine's own parser is the last instance.
pub(crate) type Error = reencode::Error<Infallible>;

/// Encodes operators and constants. References to functions that must not be called through a table are redirected.
#[derive(Default)]
pub(crate) struct Emit {
    /// Function that is referred to, and the one that takes its place. Direct calls are not redirected.
    pub shims: BTreeMap<u32, u32>,
    /// Functions from here on stand one further back in what is written: an import is appended before them.
    pub moved_from: Option<u32>,
}

impl Emit {
    /// Where a function of the model stands in what is written.
    pub(crate) fn place(&self, function: u32) -> u32 {
        function + u32::from(self.moved_from.is_some_and(|first| function >= first))
    }
}

impl Reencode for Emit {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(self.place(self.shims.get(&function).copied().unwrap_or(function)))
    }
}

/// What the passes append.
#[derive(Default)]
pub(crate) struct Additions {
    /// Types beyond those of the module.
    pub types: Vec<wasmparser::FuncType>,
    /// Exported mutable globals: name, type, initial value.
    pub globals: Vec<(&'static str, ValType, i64)>,
    /// One more imported function, behind those of the module: module, name, index of its type.
    pub import: Option<(&'static str, &'static str, u32)>,
}

/// Writes the module with these bodies instead of its own.
pub(crate) fn write(
    module: &Module<'_>,
    additions: &Additions,
    bodies: &[Function],
    emit: &mut Emit,
) -> Result<Vec<u8>, Error> {
    let mut out = wasm_encoder::Module::new();

    let mut types = TypeSection::new();
    for ty in module.types.iter().chain(&additions.types) {
        let ty = emit.func_type(ty.clone())?;
        types.ty().func_type(&ty);
    }
    out.section(&types);

    let mut imports = ImportSection::new();
    for import in &module.imports {
        emit.parse_import(&mut imports, *import)?;
    }
    if let Some((of, name, ty)) = additions.import {
        imports.import(of, name, EntityType::Function(ty));
    }
    out.section(&imports);

    let mut functions = FunctionSection::new();
    for ty in &module.functions {
        functions.function(*ty);
    }
    out.section(&functions);

    let mut tables = TableSection::new();
    for table in &module.tables {
        emit.parse_table(&mut tables, table.clone())?;
    }
    out.section(&tables);

    let mut memories = MemorySection::new();
    for memory in &module.memories {
        memories.memory(emit.memory_type(*memory)?);
    }
    out.section(&memories);

    let mut exports = ExportSection::new();
    for export in &module.exports {
        emit.parse_export(&mut exports, *export)?;
    }
    let mut globals = GlobalSection::new();
    for global in &module.globals {
        emit.parse_global(&mut globals, global.clone())?;
    }
    let own = module.globals.len() as u32;
    for ((name, val_type, value), index) in additions.globals.iter().zip(own..) {
        let initial = match val_type {
            ValType::I32 => ConstExpr::i32_const(*value as i32),
            _ => ConstExpr::i64_const(*value),
        };
        globals.global(GlobalType { val_type: *val_type, mutable: true, shared: false }, &initial);
        exports.export(name, ExportKind::Global, index);
    }
    out.section(&globals);
    out.section(&exports);

    let mut elements = ElementSection::new();
    for element in &module.elements {
        emit.parse_element(&mut elements, element.clone())?;
    }
    out.section(&elements);

    if let Some(count) = module.data_count {
        out.section(&DataCountSection { count });
    }
    let mut code = CodeSection::new();
    for body in bodies {
        code.function(body);
    }
    out.section(&code);

    let mut data = DataSection::new();
    for segment in &module.data {
        emit.parse_data(&mut data, segment.clone())?;
    }
    out.section(&data);

    // Names are by index: where functions have moved they would name others.
    if let Some(names) = module.names.filter(|_| emit.moved_from.is_none()) {
        out.section(&CustomSection { name: "name".into(), data: without_labels(names).into() });
    }
    Ok(out.finish())
}

/// A name section without the names of labels, which are numbered through each body and would name others now. Where it cannot be read it ends.
fn without_labels(names: &[u8]) -> Vec<u8> {
    const LABELS: u8 = 3;
    let mut reader = wasmparser::BinaryReader::new(names, 0);
    let mut kept = Vec::new();
    while let (Ok(id), Ok(size)) = (reader.read_u8(), reader.read_var_u32()) {
        let Ok(content) = reader.read_bytes(size as usize) else { break };
        if id != LABELS {
            kept.push(id);
            size.encode(&mut kept);
            kept.extend_from_slice(content);
        }
    }
    kept
}

/// The type of a block that takes nothing and leaves these results. Several results need a type of their own, which is appended.
pub(crate) fn block_of(
    results: &[wasmparser::ValType],
    module: &Module<'_>,
    additions: &mut Additions,
    emit: &mut Emit,
) -> Result<BlockType, Error> {
    Ok(match results {
        [] => BlockType::Empty,
        [one] => BlockType::Result(emit.val_type(*one)?),
        several => {
            let fits = |ty: &wasmparser::FuncType| ty.params().is_empty() && ty.results() == several;
            let found = module.types.iter().chain(&additions.types).position(fits);
            let index = found.unwrap_or_else(|| {
                additions.types.push(wasmparser::FuncType::new([], several.iter().copied()));
                module.types.len() + additions.types.len() - 1
            });
            BlockType::FunctionType(index as u32)
        }
    })
}
