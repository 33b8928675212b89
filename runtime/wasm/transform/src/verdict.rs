//! Why a module is refused: every reason at once, in words that name the thing, its value and the way out.

use crate::limits::Quantity;
use std::fmt;

/// A function as people know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionName {
    /// Index in the module, imports included.
    pub index: u32,
    /// Its name, from the exports or the name section.
    pub name: Option<String>,
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "function {} {name:?}", self.index),
            None => write!(f, "function {}", self.index),
        }
    }
}

/// Where in a module something stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The module as a whole.
    Module,
    /// Outside all functions, at this byte.
    Byte(usize),
    /// In a function, at this byte of the module.
    Function(FunctionName, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Module => f.write_str("in the module"),
            Place::Byte(at) => write!(f, "at byte {at:#x}"),
            Place::Function(function, at) => write!(f, "in {function} at byte {at:#x}"),
        }
    }
}

/// Why a function's price cannot be proven before it runs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotFixed {
    /// No constant bound was found for a loop.
    #[error(
        "this loop has no constant bound; count a local from a constant to a constant, by a constant, at the top level of the loop"
    )]
    Loop,
    /// The function can reach itself.
    #[error("it calls itself, over {0}")]
    Recursion(FunctionName),
    /// A call through a table.
    #[error("a call through a table could reach anything; call by name")]
    Indirect,
    /// Floating point.
    #[error("{0} is floating point; use integers")]
    Float(&'static str),
    /// An operation whose length is not a constant.
    #[error("the length of {0} is not a constant that stands right before it")]
    Length(&'static str),
    /// A host function whose price depends on its arguments or on data.
    #[error("the price of {0} depends on what it is given")]
    Host(String),
    /// The price exceeds what may be charged up front.
    #[error("it costs up to {0} gas, at most {1} can be proven; ask for class metered")]
    Price(u64, u64),
    /// Frames on the longest chain of calls exceed the stack.
    #[error("its frames and those of what it calls take {0} bytes of stack, at most {1} are there")]
    Stack(u64, u64),
}

/// One reason to refuse a module.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Complaint {
    /// The bytes are not a module, or a module that does not validate.
    #[error("not a valid module: {reason} (at byte {at:#x}); build it again, or check that the file is whole")]
    Invalid {
        /// Offset in the module.
        at: usize,
        /// What the parser says.
        reason: String,
    },
    /// A component instead of a module.
    #[error("this is a component, contracts are core modules; build for wasm32-unknown-unknown")]
    Component,
    /// More of something than the cluster allows.
    #[error("{value} {what} {place}, at most {limit} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: Quantity,
        /// How much there is.
        value: u64,
        /// How much there may be.
        limit: u64,
        /// Where.
        place: Place,
    },
    /// A part of the language that contracts do without.
    #[error("{feature} {} not allowed: {example} {place}{}; {way_out}", if feature.ends_with('s') { "are" } else { "is" }, more(*.count))]
    Forbidden {
        /// Name of the feature.
        feature: &'static str,
        /// The first use.
        example: String,
        /// Where it stands.
        place: Place,
        /// How many uses there are.
        count: u64,
        /// What to do instead.
        way_out: &'static str,
    },
    /// An import that no host function or library answers.
    #[error("unknown import {module}.{name}{}", hint(.closest))]
    UnknownImport {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
        /// The known name that is most like it, if one is.
        closest: Option<String>,
    },
    /// A known import, with other parameters or results.
    #[error("import {module}.{name} has type {found}, the host has {expected}")]
    ImportType {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
        /// What the host has.
        expected: String,
        /// What the module asks for.
        found: String,
    },
    /// An import that is not a function.
    #[error("import {module}.{name} is a {kind}, only functions can be imported; define it in the module")]
    ImportKind {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A start function: it would run before there is gas.
    #[error("{function} is a start function, which would run before there is gas; call it from a constructor instead")]
    Start {
        /// The start function.
        function: FunctionName,
    },
    /// A name that the transform adds.
    #[error("export {name:?}: names that begin with {prefix:?} are reserved; rename it")]
    Reserved {
        /// The name.
        name: String,
        /// The prefix that it must not have.
        prefix: &'static str,
    },
    /// More memory at the start than the template declares.
    #[error(
        "the module starts with {found} bytes of memory, its template declares {declared}; declare more, or link with a smaller stack and less data"
    )]
    MemoryDeclared {
        /// Bytes that the module starts with.
        found: u64,
        /// Bytes that its template declares.
        declared: u64,
    },
    /// A segment that does not fit, so that no instance could ever be made.
    #[error("{kind} segment {index} ends at {end}, beyond the {size} {unit} that are there at the start")]
    Segment {
        /// `data` or `element`.
        kind: &'static str,
        /// Which one.
        index: usize,
        /// One past its last unit.
        end: u64,
        /// What there is.
        size: u64,
        /// `bytes` or `elements`.
        unit: &'static str,
    },
    /// A frame that is larger than the whole stack.
    #[error("{function} needs {bytes} bytes of stack for one frame, there are {limit}; use fewer locals")]
    Frame {
        /// The function.
        function: FunctionName,
        /// What one frame takes.
        bytes: u64,
        /// The whole stack.
        limit: u64,
    },
    /// The template asks for class fixed, and this stands against it.
    #[error("not of class fixed: {place}, {reason}")]
    NotFixed {
        /// Where.
        place: Place,
        /// Why.
        reason: NotFixed,
    },
}

fn more(count: u64) -> String {
    match count {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    }
}

fn hint(closest: &Option<String>) -> String {
    match closest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; see the table of host functions".to_string(),
    }
}

/// All reasons for which a module is refused. Never empty where it is an error.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// The reasons, in the order of the module, at most [`Verdict::MOST`].
    pub complaints: Vec<Complaint>,
    /// Reasons beyond those.
    pub left_out: u64,
}

impl Verdict {
    /// More reasons than these are counted, not kept: a hostile module must not buy memory with mistakes.
    pub const MOST: usize = 100;

    /// Adds a reason.
    pub(crate) fn add(&mut self, complaint: Complaint) {
        if self.complaints.len() < Verdict::MOST {
            self.complaints.push(complaint);
        } else {
            self.left_out += 1;
        }
    }

    /// Whether nothing stands against the module.
    pub fn is_empty(&self) -> bool {
        self.complaints.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, complaint) in self.complaints.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{complaint}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Verdict {}
