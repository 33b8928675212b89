//! Reading a module under limits. Every count is compared with its bound before the things counted are looked at, so the time is linear
//! in the bytes and the memory a fixed multiple of them, whatever the bytes are.

use super::{Body, Module};
use crate::limits::{Limits, Quantity};
use crate::verdict::{Complaint, FunctionName, Place, Verdict};
use wasmparser::{
    BinaryReaderError, CompositeInnerType, CustomSectionReader, FromReader, FuncType, FunctionBody, Imports,
    KnownCustom, Name, NameSectionReader, Operator, Parser, Payload, SectionLimited, TypeRef,
};

/// Adds a complaint if there is too much of something. True if there is not.
pub(crate) fn within(what: Quantity, value: u64, limits: &Limits, place: Place, verdict: &mut Verdict) -> bool {
    let limit = what.limit(limits);
    if value > limit {
        verdict.add(Complaint::TooMuch { what, value, limit, place });
    }
    value <= limit
}

pub(crate) fn invalid(error: &BinaryReaderError) -> Complaint {
    Complaint::Invalid { at: error.offset(), reason: error.message().to_string() }
}

/// Reads a module. What is beyond a limit is left out of the model and complained about; where the bytes cannot be read any further, the rest is
/// missing and the verdict says so. A model that came with any complaint is only good for finding more of them.
pub(crate) fn read<'a>(wasm: &'a [u8], limits: &Limits, verdict: &mut Verdict) -> Module<'a> {
    let mut reader = Reader { limits, verdict, module: Module::default(), code_bytes: 0 };
    if within(Quantity::ModuleBytes, wasm.len() as u64, limits, Place::Module, reader.verdict)
        && let Err(error) = reader.all(wasm)
    {
        reader.verdict.add(invalid(&error));
    }
    reader.module
}

struct Reader<'a, 'l> {
    limits: &'l Limits,
    verdict: &'l mut Verdict,
    module: Module<'a>,
    code_bytes: u64,
}

type Result<T> = std::result::Result<T, BinaryReaderError>;

impl<'a> Reader<'a, '_> {
    fn within(&mut self, what: Quantity, value: u64, place: Place) -> bool {
        within(what, value, self.limits, place, self.verdict)
    }

    /// The items of a section, if there are not too many.
    fn items<T: FromReader<'a>>(&mut self, section: SectionLimited<'a, T>, what: Quantity) -> Result<Vec<T>> {
        if !self.within(what, section.count().into(), Place::Byte(section.range().start)) {
            return Ok(Vec::new());
        }
        section.into_iter().collect()
    }

    fn all(&mut self, wasm: &'a [u8]) -> Result<()> {
        if Parser::is_component(wasm) {
            self.verdict.add(Complaint::Component);
            return Ok(());
        }
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => self.types(section)?,
                Payload::ImportSection(section) => self.imports(section)?,
                Payload::FunctionSection(section) => {
                    self.module.functions = self.items(section, Quantity::Functions)?
                }
                Payload::TableSection(section) => self.module.tables = self.items(section, Quantity::Tables)?,
                Payload::MemorySection(section) => self.module.memories = self.items(section, Quantity::Memories)?,
                Payload::TagSection(section) => self.forbid("exceptions", "a tag section", section.range().start),
                Payload::GlobalSection(section) => self.module.globals = self.items(section, Quantity::Globals)?,
                Payload::ExportSection(section) => self.exports(section)?,
                Payload::StartSection { func, range } => self.module.start = Some((func, range.start)),
                Payload::ElementSection(section) => self.elements(section)?,
                Payload::DataCountSection { count, range } => {
                    self.within(Quantity::DataSegments, count.into(), Place::Byte(range.start));
                    self.module.data_count = Some(count);
                }
                Payload::DataSection(section) => self.data(section)?,
                Payload::CodeSectionEntry(body) => self.body(&body)?,
                Payload::CustomSection(section) => self.custom(&section),
                _ => {}
            }
        }
        Ok(())
    }

    fn forbid(&mut self, feature: &'static str, example: &str, at: usize) {
        let way_out = crate::check::way_out(feature);
        let place = Place::Byte(at);
        self.verdict.add(Complaint::Forbidden { feature, example: example.to_string(), place, count: 1, way_out });
    }

    fn types(&mut self, section: SectionLimited<'a, wasmparser::RecGroup>) -> Result<()> {
        let start = section.range().start;
        if !self.within(Quantity::Types, section.count().into(), Place::Byte(start)) {
            return Ok(());
        }
        for group in section.into_iter_with_offsets() {
            let (at, group) = group?;
            if group.is_explicit_rec_group() {
                self.forbid("gc", "a group of types", at);
            }
            for ty in group.into_types() {
                let plain = ty.is_final && ty.supertype_idx.is_none() && !ty.composite_type.shared;
                match ty.composite_type.inner {
                    CompositeInnerType::Func(ty) if plain => {
                        self.within(Quantity::Params, ty.params().len() as u64, Place::Byte(at));
                        self.within(Quantity::Results, ty.results().len() as u64, Place::Byte(at));
                        self.module.types.push(ty);
                    }
                    _ => {
                        self.forbid("gc", "a type that is not a function's", at);
                        self.module.types.push(FuncType::new([], []));
                    }
                }
                if !self.within(Quantity::Types, self.module.types.len() as u64, Place::Byte(start)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn name(&mut self, name: &str, at: usize) -> bool {
        self.within(Quantity::NameBytes, name.len() as u64, Place::Byte(at))
    }

    fn imports(&mut self, section: SectionLimited<'a, Imports<'a>>) -> Result<()> {
        let at = section.range().start;
        if !self.within(Quantity::Imports, section.count().into(), Place::Byte(at)) {
            return Ok(());
        }
        for imports in section {
            let Imports::Single(at, import) = imports? else {
                self.forbid("compact imports", "a group of imports", at);
                continue;
            };
            if self.name(import.module, at) && self.name(import.name, at) {
                self.module.imports.push(import);
            } else if let TypeRef::Func(_) = import.ty {
                // A place must stay taken, or every later function would be complained about under a wrong name.
                self.module.imports.push(wasmparser::Import { module: "", name: "", ty: import.ty });
            }
        }
        Ok(())
    }

    fn exports(&mut self, section: SectionLimited<'a, wasmparser::Export<'a>>) -> Result<()> {
        let at = section.range().start;
        for export in self.items(section, Quantity::Exports)? {
            if self.name(export.name, at) {
                self.module.exports.push(export);
            }
        }
        Ok(())
    }

    fn elements(&mut self, section: SectionLimited<'a, wasmparser::Element<'a>>) -> Result<()> {
        let at = section.range().start;
        let elements = self.items(section, Quantity::ElementSegments)?;
        let count = |e: &wasmparser::Element<'_>| match &e.items {
            wasmparser::ElementItems::Functions(items) => u64::from(items.count()),
            wasmparser::ElementItems::Expressions(_, items) => u64::from(items.count()),
        };
        self.within(Quantity::ElementItems, elements.iter().map(count).sum(), Place::Byte(at));
        self.module.elements = elements;
        Ok(())
    }

    fn data(&mut self, section: SectionLimited<'a, wasmparser::Data<'a>>) -> Result<()> {
        let at = section.range().start;
        let data = self.items(section, Quantity::DataSegments)?;
        self.within(Quantity::DataBytes, data.iter().map(|d| d.data.len() as u64).sum(), Place::Byte(at));
        self.module.data = data;
        Ok(())
    }

    fn custom(&mut self, section: &CustomSectionReader<'a>) {
        if section.name() == "name" {
            self.module.names = Some(section.data());
        }
        // Names are for people: where they are broken the engine and we do without.
        if let KnownCustom::Name(names) = section.as_known() {
            let _ = self.names(names);
        }
    }

    fn names(&mut self, names: NameSectionReader<'a>) -> Result<()> {
        for part in names {
            let Name::Function(functions) = part? else { continue };
            for naming in functions {
                let naming = naming?;
                let short = naming.name.chars().take(80).collect();
                self.module.function_names.insert(naming.index, short);
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'a>) -> Result<()> {
        let index = self.module.imported_count() + self.module.code.len() as u32;
        let place = |at| Place::Function(FunctionName { index, name: None }, at);
        let range = body.range();
        let bytes = (range.end - range.start) as u64;
        let before = self.code_bytes;
        self.code_bytes += bytes;
        let most = self.limits.code_bytes;
        let fits = self.within(Quantity::FunctionBytes, bytes, place(range.start));
        if before <= most {
            self.within(Quantity::CodeBytes, self.code_bytes, place(range.start));
        }
        // An empty body keeps the place; it does not validate, and it is not asked to where there are complaints.
        let fits = fits && self.code_bytes <= most && (self.module.code.len() as u64) < self.limits.functions;
        let body = if fits { self.operators(body, index)? } else { Body::default() };
        if (self.module.code.len() as u64) < self.limits.functions {
            self.module.code.push(body);
        }
        Ok(())
    }

    fn operators(&mut self, body: &FunctionBody<'a>, index: u32) -> Result<Body<'a>> {
        let place = |at| Place::Function(FunctionName { index, name: None }, at);
        let start = body.range().start;
        let mut into = Body::default();
        let mut locals = self.module.function_type(index).map_or(0, |ty| ty.params().len() as u64);
        for run in body.get_locals_reader()? {
            let (count, ty) = run?;
            locals += u64::from(count);
            into.locals.push((count, ty));
        }
        self.within(Quantity::Locals, locals, place(start));
        let (mut depth, mut deepest) = (0u64, (0, start));
        let mut targets = (0, start);
        let mut ops = body.get_operators_reader()?;
        while !ops.eof() {
            let (op, at) = ops.read_with_offset()?;
            match &op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    depth += 1;
                    deepest = deepest.max((depth, at));
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::BrTable { targets: t } => targets = targets.max((u64::from(t.len()), at)),
                _ => {}
            }
            into.ops.push(op);
            into.at.push(at as u32);
        }
        self.within(Quantity::Nesting, deepest.0, place(deepest.1));
        self.within(Quantity::SwitchTargets, targets.0, place(targets.1));
        Ok(into)
    }
}
