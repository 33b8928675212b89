//! Parts of the language that contracts do without: found by name in types and bodies, each complained about once, with its first use and their number.

use crate::module::Module;
use crate::op;
use crate::settings::Settings;
use crate::verdict::{Complaint, Place, Verdict};
use std::collections::BTreeMap;
use wasmparser::{GlobalType, HeapType, RefType, TypeRef, ValType};

/// What to do instead of using a feature.
pub(crate) fn way_out(feature: &str) -> &'static str {
    match feature {
        "floats" => "use integers or fixed-point numbers, or ask for a cell whose contracts may use floats",
        "simd" => "build without the feature simd128, or ask for a cell whose contracts may use it",
        "threads" | "shared everything threads" => "build without atomics and shared memory",
        "relaxed simd" => "its results differ from machine to machine; build without it",
        "gc" | "function references" | "externref" => {
            "only numbers and functions in tables are there; keep objects in memory"
        }
        "memory64" => "build for wasm32",
        "exceptions" | "legacy exceptions" => "build without exceptions; revert ends a call with an error",
        "custom page sizes" => "declare the size of memory in the template instead",
        "wide arithmetic" => "build without it; registers have 128 to 512 bits",
        _ => "build without it",
    }
}

/// Uses of one feature so far.
struct Use {
    example: String,
    place: Place,
    count: u64,
}

struct Uses<'m> {
    module: &'m Module<'m>,
    settings: &'m Settings,
    found: BTreeMap<&'static str, Use>,
}

/// Complains about each feature that is used and not allowed.
pub(crate) fn check(module: &Module<'_>, settings: &Settings, verdict: &mut Verdict) {
    let mut uses = Uses { module, settings, found: BTreeMap::new() };
    uses.declarations();
    for body in 0..module.code.len() {
        uses.body(body);
    }
    for (feature, Use { example, place, count }) in uses.found {
        verdict.add(Complaint::Forbidden { feature, example, place, count, way_out: way_out(feature) });
    }
}

/// The proposal's name as people write it.
fn spelled(proposal: &'static str) -> &'static str {
    match proposal {
        "relaxed_simd" => "relaxed simd",
        "shared_everything_threads" => "shared everything threads",
        "function_references" => "function references",
        "legacy_exceptions" => "legacy exceptions",
        "memory_control" => "memory control",
        "stack_switching" => "stack switching",
        "wide_arithmetic" => "wide arithmetic",
        "custom_descriptors" => "custom descriptors",
        other => other,
    }
}

impl Uses<'_> {
    fn found(&mut self, feature: &'static str, example: &str, place: Place) {
        let first = || Use { example: example.to_string(), place, count: 0 };
        self.found.entry(feature).or_insert_with(first).count += 1;
    }

    fn declarations(&mut self) {
        let module = self.module;
        for (i, ty) in module.types.iter().enumerate() {
            for value in ty.params().iter().chain(ty.results()) {
                self.value(*value, &format!("type {i}"), &Place::Module);
            }
        }
        for import in &module.imports {
            match import.ty {
                TypeRef::Memory(memory) => self.memory(&memory),
                TypeRef::Table(table) => self.table(&table),
                TypeRef::Global(global) => self.global(&global, "an imported global"),
                TypeRef::Tag(_) => self.found("exceptions", "an imported tag", Place::Module),
                TypeRef::Func(_) => {}
                TypeRef::FuncExact(_) => self.found("custom descriptors", "an exact import", Place::Module),
            }
        }
        for memory in &module.memories {
            self.memory(memory);
        }
        for table in &module.tables {
            self.table(&table.ty);
            if matches!(table.init, wasmparser::TableInit::Expr(_)) {
                self.found("function references", "a table with an initialiser", Place::Module);
            }
        }
        for (i, global) in module.globals.iter().enumerate() {
            self.global(&global.ty, &format!("global {i}"));
        }
    }

    fn memory(&mut self, memory: &wasmparser::MemoryType) {
        if memory.memory64 {
            self.found("memory64", "a memory of 64 bits", Place::Module);
        }
        if memory.shared {
            self.found("threads", "a shared memory", Place::Module);
        }
        if memory.page_size_log2.is_some_and(|log2| log2 != 16) {
            self.found("custom page sizes", "a memory with pages of another size", Place::Module);
        }
    }

    fn table(&mut self, table: &wasmparser::TableType) {
        if table.table64 {
            self.found("memory64", "a table of 64 bits", Place::Module);
        }
        if table.shared {
            self.found("shared everything threads", "a shared table", Place::Module);
        }
        self.reference(table.element_type, "a table", &Place::Module);
    }

    fn global(&mut self, global: &GlobalType, what: &str) {
        if global.shared {
            self.found("shared everything threads", what, Place::Module);
        }
        self.value(global.content_type, what, &Place::Module);
    }

    fn value(&mut self, value: ValType, what: &str, place: &Place) {
        match value {
            ValType::F32 | ValType::F64 if !self.settings.floats => self.found("floats", what, place.clone()),
            ValType::V128 if !self.settings.simd => self.found("simd", what, place.clone()),
            ValType::Ref(reference) => self.reference(reference, what, place),
            _ => {}
        }
    }

    fn reference(&mut self, reference: RefType, what: &str, place: &Place) {
        if reference == RefType::FUNCREF {
            return;
        }
        let feature = match reference {
            RefType::EXTERNREF => "externref",
            _ => "gc",
        };
        self.found(feature, what, place.clone());
    }

    fn body(&mut self, defined: usize) {
        let (module, settings) = (self.module, self.settings);
        let Some(body) = module.code.get(defined) else { return };
        let index = module.imported_count() + defined as u32;
        let place = |at| Place::Function(module.name_of(index), at);
        for (_, ty) in &body.locals {
            self.value(*ty, "a local", &place(body.byte(0)));
        }
        for (i, op) in body.ops.iter().enumerate() {
            let at = body.byte(i);
            if op::class(op).is_none() {
                let (name, proposal) = op::describe(op);
                self.found(spelled(proposal), name, place(at));
                continue;
            }
            if !settings.floats && op::is_float(op) {
                self.found("floats", op::describe(op).0, place(at));
            }
            if !settings.simd && op::class(op) == Some(op::Class::Vector) {
                self.found("simd", op::describe(op).0, place(at));
            }
            if let wasmparser::Operator::RefNull { hty } = op
                && *hty != HeapType::FUNC
            {
                self.found(if *hty == HeapType::EXTERN { "externref" } else { "gc" }, "RefNull", place(at));
            }
        }
    }
}
