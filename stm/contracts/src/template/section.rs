//! What is in each section, and what a template is that is made of them. The contents are borsh, but for the module and
//! the document.

use super::Limits;
use super::container::{Complaints, Section, SectionId, join, split};
use super::layout::{Layout, SliceKind};
use crate::abi::types::is_name;
use crate::abi::{Abi, FunctionKind, StorageType};
use crate::hash::{self, Domain, Hash};
use crate::registers::Shape;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// The version of the host interface that modules import. A template says which one it was built for.
pub const HOST_INTERFACE: u16 = 1;

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Kind {
    /// Accounts are spawned from it.
    Contract = 0,
    /// Code without an account, linked into contracts by hash.
    Library = 1,
}

/// The header section.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Contract or library.
    pub kind: Kind,
    /// The host interface that it was built for.
    pub interface: u16,
    /// What it calls itself, 1 to 64 bytes.
    pub name: String,
    /// Its version, up to 32 bytes.
    pub version: String,
}

/// A library that the module imports functions of, as `lib:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LibraryPin {
    /// The name that the imports use.
    pub name: String,
    /// Hash of the library's template.
    pub hash: Hash,
}

/// The price of a function of the fixed class.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FixedPrice {
    /// The function.
    pub function: String,
    /// What a call of it burns.
    pub gas: u64,
}

/// How its gas is counted.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Class {
    /// Any code, with a counter.
    Metered,
    /// Code whose price is proven before it runs, without a counter: by function.
    Fixed(Vec<FixedPrice>),
}

/// A template that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Kind, name, version, host interface.
    pub header: Header,
    /// The wasm module.
    pub code: Vec<u8>,
    /// Where the slices of storage lie.
    pub layout: Layout,
    /// Functions that may be the first to run in an account.
    pub constructors: Vec<String>,
    /// The document.
    pub abi: Abi,
    /// How many registers of each width a frame has.
    pub registers: Shape,
    /// Libraries by name.
    pub libraries: Vec<LibraryPin>,
    /// How its gas is counted.
    pub class: Class,
    /// Bytes that its memory may have.
    pub memory: u32,
}

/// The memory of a template that says nothing about it, in bytes.
pub const STANDARD_MEMORY: u32 = 64 << 10;

impl Template {
    /// Under what a template's bytes are stored and spawned.
    #[must_use]
    pub fn hash_of(bytes: &[u8]) -> Hash {
        hash::of(Domain::Code, bytes)
    }

    /// Reads a container.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its section and offset.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Complaints> {
        let mut complaints = Complaints::default();
        let sections = split(bytes, limits.bytes, &mut complaints);
        let template = Reading { sections: &sections, limits, complaints: &mut complaints }.template();
        match template {
            Some(template) if complaints.is_empty() => Ok(template),
            _ => Err(complaints),
        }
    }

    /// The container with these sections. Those that say what is assumed without them are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut sections = vec![
            (SectionId::Header as u16, encode(&self.header)),
            (SectionId::Code as u16, self.code.clone()),
            (SectionId::Layout as u16, encode(&self.layout)),
        ];
        if !self.constructors.is_empty() {
            sections.push((SectionId::Constructors as u16, encode(&self.constructors)));
        }
        sections.push((SectionId::Abi as u16, self.abi.to_json()));
        if self.registers != Shape::STANDARD {
            sections.push((SectionId::Registers as u16, encode(&self.registers)));
        }
        if !self.libraries.is_empty() {
            sections.push((SectionId::Libraries as u16, encode(&self.libraries)));
        }
        if self.class != Class::Metered {
            sections.push((SectionId::Class as u16, encode(&self.class)));
        }
        if self.memory != STANDARD_MEMORY {
            sections.push((SectionId::Memory as u16, encode(&self.memory)));
        }
        join(&sections)
    }

    /// The proven price of a function; `None` in the metered class.
    #[must_use]
    pub fn fixed_gas(&self, function: &str) -> Option<u64> {
        match &self.class {
            Class::Metered => None,
            Class::Fixed(prices) => prices.iter().find(|price| price.function == function).map(|price| price.gas),
        }
    }
}

fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    // Writing into memory fails only for lists of more than 2^32 elements.
    borsh::to_vec(value).unwrap_or_default()
}

/// One look at the sections of a container.
struct Reading<'a, 'b> {
    sections: &'a [Section<'a>],
    limits: &'b Limits,
    complaints: &'b mut Complaints,
}

impl<'a> Reading<'a, '_> {
    fn section(&self, id: SectionId) -> Option<Section<'a>> {
        self.sections.iter().copied().find(|section| section.id == id)
    }

    fn offset(&self, id: SectionId) -> usize {
        self.section(id).map_or(0, |section| section.offset)
    }

    fn wrong(&mut self, id: SectionId, why: impl Into<String>) {
        let offset = self.offset(id);
        self.complaints.push(Some(id), offset, why);
    }

    /// The content of a borsh section. Lists in it take no more memory than a small multiple of its bytes.
    fn read<T: BorshDeserialize>(&mut self, id: SectionId) -> Option<T> {
        let section = self.section(id)?;
        let mut rest = section.content;
        let value = T::deserialize(&mut rest);
        let offset = section.offset + (section.content.len() - rest.len());
        match value {
            Ok(value) if rest.is_empty() => Some(value),
            Ok(_) => {
                self.complaints.push(Some(id), offset, format!("{} bytes behind its end", rest.len()));
                None
            }
            Err(error) => {
                self.complaints.push(Some(id), offset, error.to_string().to_lowercase());
                None
            }
        }
    }

    fn template(&mut self) -> Option<Template> {
        let header = self.read::<Header>(SectionId::Header);
        let code = self.code();
        let layout = match self.section(SectionId::Layout) {
            Some(_) => self.read(SectionId::Layout),
            None => Some(Layout::empty(self.limits.page_size)),
        };
        let constructors = self.read_or::<Vec<String>>(SectionId::Constructors, Vec::new());
        let abi = self.abi();
        let registers = self.read_or(SectionId::Registers, Shape::STANDARD);
        let libraries = self.read_or::<Vec<LibraryPin>>(SectionId::Libraries, Vec::new());
        let class = self.read_or(SectionId::Class, Class::Metered);
        let memory = self.read_or(SectionId::Memory, STANDARD_MEMORY);
        if let Some(header) = &header {
            self.check_header(header);
        }
        if let Some(layout) = &layout {
            self.check_layout(layout, abi.as_ref());
        }
        if let Some(shape) = &registers
            && let Err(error) = shape.check()
        {
            self.wrong(SectionId::Registers, error.to_string());
        }
        if let Some(libraries) = &libraries {
            self.check_libraries(libraries);
        }
        if let Some(abi) = &abi {
            self.check_names(abi, constructors.as_deref().unwrap_or_default(), class.as_ref());
        }
        if let (Some(header), Some(abi), Some(layout)) = (&header, &abi, &layout)
            && header.kind == Kind::Library
            && (!abi.storage.is_empty() || !layout.slices.is_empty() || !abi.functions.is_empty())
        {
            self.wrong(SectionId::Header, "a library has neither variables nor functions of its own account");
        }
        Some(Template {
            header: header?,
            code: code?,
            layout: layout?,
            constructors: constructors?,
            abi: abi?,
            registers: registers?,
            libraries: libraries?,
            class: class?,
            memory: memory?,
        })
    }

    fn read_or<T: BorshDeserialize>(&mut self, id: SectionId, otherwise: T) -> Option<T> {
        if self.section(id).is_some() { self.read(id) } else { Some(otherwise) }
    }

    fn code(&mut self) -> Option<Vec<u8>> {
        let code = self.section(SectionId::Code)?.content;
        if code.len() > self.limits.code {
            let why = format!("{} bytes, more than the {} allowed", code.len(), self.limits.code);
            self.wrong(SectionId::Code, why);
            return None;
        }
        if !code.starts_with(b"\0asm\x01\0\0\0") {
            self.wrong(SectionId::Code, "it is no wasm module: it does not begin with \"\\0asm\" and version 1");
            return None;
        }
        Some(code.to_vec())
    }

    fn abi(&mut self) -> Option<Abi> {
        let section = self.section(SectionId::Abi)?;
        match Abi::parse(section.content) {
            Ok(abi) => Some(abi),
            Err(errors) => {
                errors.iter().for_each(|error| self.wrong(SectionId::Abi, error.to_string()));
                None
            }
        }
    }

    fn check_header(&mut self, header: &Header) {
        if header.interface != HOST_INTERFACE {
            let why = format!("built for host interface {}, and this node has {HOST_INTERFACE}", header.interface);
            self.wrong(SectionId::Header, why);
        }
        if !(1..=64).contains(&header.name.len()) {
            self.wrong(SectionId::Header, format!("a name of {} bytes: it has 1 to 64", header.name.len()));
        }
        if header.version.len() > 32 {
            self.wrong(SectionId::Header, format!("a version of {} bytes: it has up to 32", header.version.len()));
        }
    }

    fn check_layout(&mut self, layout: &Layout, abi: Option<&Abi>) {
        // Page size and count come first, then nine bytes a slice.
        let start = self.offset(SectionId::Layout);
        for (number, why) in layout.check(self.limits) {
            let offset = start + number.map_or(0, |number| 8 + 9 * number);
            self.complaints.push(Some(SectionId::Layout), offset, why);
        }
        let Some(abi) = abi else { return };
        for variable in &abi.storage {
            let name = &variable.name;
            let Some(slice) = layout.slices.get(variable.slice as usize) else {
                let why = format!("variable {name} is slice {}, and there are {}", variable.slice, layout.slices.len());
                self.wrong(SectionId::Layout, why);
                continue;
            };
            let kind = kind_of(&variable.ty);
            if slice.kind != kind {
                let why = format!("variable {name} is {}, and its slice is of kind {:?}", variable.ty, slice.kind);
                self.wrong(SectionId::Layout, why);
            }
            let needed = abi.slice_len(&variable.ty);
            if needed != Some(usize::from(slice.length)) {
                let needed = needed.map_or("no fixed number of".to_string(), |len| len.to_string());
                let why = format!("variable {name} has {needed} bytes, and its slice has {}", slice.length);
                self.wrong(SectionId::Layout, why);
            }
        }
    }

    fn check_libraries(&mut self, libraries: &[LibraryPin]) {
        if libraries.len() > self.limits.libraries {
            let why = format!("{} libraries, more than the {} allowed", libraries.len(), self.limits.libraries);
            self.wrong(SectionId::Libraries, why);
        }
        let mut seen = BTreeSet::new();
        for library in libraries.iter().take(self.limits.libraries) {
            if !is_name(&library.name) {
                self.wrong(SectionId::Libraries, format!("{:?} is no name of a library", short(&library.name)));
            }
            if !seen.insert(&library.name) {
                self.wrong(SectionId::Libraries, format!("{} is pinned twice", short(&library.name)));
            }
        }
    }

    fn check_names(&mut self, abi: &Abi, constructors: &[String], class: Option<&Class>) {
        let mut seen = BTreeSet::new();
        for name in constructors {
            if abi.function(name).is_none_or(|function| function.kind != FunctionKind::Init) {
                let why = format!("{:?} is no function of kind init in the document", short(name));
                self.wrong(SectionId::Constructors, why);
            }
            if !seen.insert(name) {
                self.wrong(SectionId::Constructors, format!("{:?} is named twice", short(name)));
            }
        }
        let Some(Class::Fixed(prices)) = class else { return };
        for function in &abi.functions {
            let found: Vec<u64> = prices.iter().filter(|p| p.function == function.name).map(|p| p.gas).collect();
            match found[..] {
                [gas] if function.gas.is_none_or(|said| said == gas) => {}
                [gas] => self.wrong(
                    SectionId::Class,
                    format!("{} burns {gas}, and the document says {}", function.name, function.gas.unwrap_or(0)),
                ),
                [] => self.wrong(SectionId::Class, format!("there is no price for {}", function.name)),
                _ => self.wrong(SectionId::Class, format!("there are {} prices for {}", found.len(), function.name)),
            }
        }
        for price in prices {
            if abi.function(&price.function).is_none() {
                let why = format!("a price for {:?}, which is no function", short(&price.function));
                self.wrong(SectionId::Class, why);
            }
        }
    }
}

/// The kind of slice that a variable of this type takes.
pub(super) fn kind_of(ty: &StorageType) -> SliceKind {
    match ty {
        StorageType::Value(_) => SliceKind::Bytes,
        StorageType::Counter => SliceKind::Counter,
        StorageType::List(_) => SliceKind::List,
        StorageType::Map(..) => SliceKind::Map,
        StorageType::Set(_) => SliceKind::Set,
        StorageType::SortedSet(_) => SliceKind::SortedSet,
    }
}

fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
