//! Makes a module tell the host every operator that it executes. Written without a line of the transform.
//!
//! Before each operator but `else` and `end` stands a call of the import `trace.at(function, operator, kind, units)`; another one stands at the
//! entry of each function, behind each `loop`, so that it is heard at every round, and behind each `end`.

use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, ElementSection, EntityType, ExportSection, Function, FunctionSection,
    GlobalSection, ImportSection, InstructionSink, MemorySection, Module, TableSection, TypeSection, ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload, TypeRef};

/// An operator is about to be executed.
pub const STEP: i32 = 0;
/// A function was entered.
pub const ENTRY: i32 = 1;
/// A round of a loop begins.
pub const ROUND: i32 = 2;
/// Control is behind the `end` of a construct.
pub const BEHIND: i32 = 3;

/// Moves the functions of the module behind the additional import.
struct Shift {
    imported: u32,
}

impl Reencode for Shift {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(if function >= self.imported { function + 1 } else { function })
    }
}

/// The traced module. `with_units` says for which operators the last operand, an `i32`, is told as well.
pub fn traced(wasm: &[u8], with_units: &dyn Fn(&Operator<'_>) -> bool) -> Vec<u8> {
    let payloads: Vec<Payload<'_>> = Parser::new(0).parse_all(wasm).map(|payload| payload.unwrap()).collect();
    let mut imported = 0;
    let mut function_types = Vec::new();
    let mut params = Vec::new();
    for payload in &payloads {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    imported += u32::from(matches!(import.unwrap().ty, TypeRef::Func(_)));
                }
            }
            Payload::TypeSection(section) => {
                for ty in section.clone().into_iter_err_on_gc_types() {
                    params.push(ty.unwrap().params().len() as u32);
                }
            }
            Payload::FunctionSection(section) => {
                function_types = section.clone().into_iter().map(|ty| ty.unwrap()).collect()
            }
            _ => {}
        }
    }
    let mut shift = Shift { imported };
    let (mut types, mut imports, mut functions) = (TypeSection::new(), ImportSection::new(), FunctionSection::new());
    let (mut tables, mut memories, mut globals) = (TableSection::new(), MemorySection::new(), GlobalSection::new());
    let (mut exports, mut elements, mut data) = (ExportSection::new(), ElementSection::new(), DataSection::new());
    let (mut code, mut count, mut defined) = (CodeSection::new(), None, 0u32);
    for payload in payloads {
        match payload {
            Payload::TypeSection(s) => shift.parse_type_section(&mut types, s).unwrap(),
            Payload::ImportSection(s) => shift.parse_import_section(&mut imports, s).unwrap(),
            Payload::FunctionSection(s) => shift.parse_function_section(&mut functions, s).unwrap(),
            Payload::TableSection(s) => shift.parse_table_section(&mut tables, s).unwrap(),
            Payload::MemorySection(s) => shift.parse_memory_section(&mut memories, s).unwrap(),
            Payload::GlobalSection(s) => shift.parse_global_section(&mut globals, s).unwrap(),
            Payload::ExportSection(s) => shift.parse_export_section(&mut exports, s).unwrap(),
            Payload::ElementSection(s) => shift.parse_element_section(&mut elements, s).unwrap(),
            Payload::DataCountSection { count: n, .. } => count = Some(n),
            Payload::DataSection(s) => shift.parse_data_section(&mut data, s).unwrap(),
            Payload::CodeSectionEntry(body) => {
                let of = params[function_types[defined as usize] as usize];
                code.function(&body_of(&mut shift, &body, imported + defined, of, with_units));
                defined += 1;
            }
            _ => {}
        }
    }
    let own = types.len();
    types.ty().function([ValType::I32; 4], []);
    imports.import("trace", "at", EntityType::Function(own));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
    module.section(&globals).section(&exports).section(&elements);
    if let Some(count) = count {
        module.section(&DataCountSection { count });
    }
    module.section(&code).section(&data);
    module.finish()
}

fn body_of(
    shift: &mut Shift,
    body: &FunctionBody<'_>,
    function: u32,
    params: u32,
    with_units: &dyn Fn(&Operator<'_>) -> bool,
) -> Function {
    let mut locals = Vec::new();
    for run in body.get_locals_reader().unwrap() {
        let (count, ty) = run.unwrap();
        locals.push((count, shift.val_type(ty).unwrap()));
    }
    let spare = params + locals.iter().map(|(count, _)| count).sum::<u32>();
    locals.push((1, ValType::I32));
    let mut out = Function::new(locals);
    let at = shift.imported;
    let tell = |sink: &mut InstructionSink<'_>, op: usize, kind: i32, units: bool| {
        if units {
            sink.local_tee(spare);
        }
        sink.i32_const(function.cast_signed()).i32_const(op as i32).i32_const(kind);
        if units {
            sink.local_get(spare);
        } else {
            sink.i32_const(0);
        }
        sink.call(at);
    };
    tell(&mut out.instructions(), 0, ENTRY, false);
    let mut depth = 0;
    for (i, op) in body.get_operators_reader().unwrap().into_iter().enumerate() {
        let op = op.unwrap();
        if !matches!(op, Operator::Else | Operator::End) {
            tell(&mut out.instructions(), i, STEP, with_units(&op));
        }
        let looped = matches!(op, Operator::Loop { .. });
        let ended = matches!(op, Operator::End);
        depth += i32::from(matches!(op, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }));
        depth -= i32::from(ended);
        out.instruction(&utils::instruction(shift, op).unwrap());
        if looped {
            tell(&mut out.instructions(), i, ROUND, false);
        }
        if ended && depth >= 0 {
            tell(&mut out.instructions(), i, BEHIND, false);
        }
    }
    out
}
