//! The document: what it holds, and how it is read.

use super::storage::{COUNTER_LEN, STATE_LEN, StorageType};
use super::types::Type;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The version that this code reads and writes.
pub const VERSION: u32 = 1;
/// The longest document, in bytes.
pub const MAX_BYTES: usize = 128 << 10;
/// The most functions, errors, events, variables or defined types, each.
pub const MAX_ITEMS: usize = 256;
/// The most arguments of a function, fields of a struct, of a variant, of an error or of an event.
pub const MAX_FIELDS: usize = 64;
/// The most fields of an event that it can be found by.
pub const MAX_TOPICS: usize = 4;
/// Error codes from here on are the runtime's own.
pub const RESERVED_CODES: u32 = 0xffff_0000;
/// What a contract reverts with that has panicked; the data is the message.
pub const PANIC_CODE: u32 = u32::MAX;

/// What a contract says about itself. Fields that this version does not know are refused: a node that skipped one
/// would disagree with a node that knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abi {
    /// Version of the document, [`VERSION`].
    pub abi: u32,
    /// What the contract calls itself.
    pub name: String,
    /// Structs and enums, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, Definition>,
    /// Everything that can be called from outside.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// What it reverts with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorForm>,
    /// What it emits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventForm>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<Variable>,
    /// What its `migrate` function takes care of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<Migration>,
}

/// A struct or an enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Definition {
    /// Fields in their order.
    Struct(Vec<Field>),
    /// Variants in their order, which is their number.
    Enum(Vec<Variant>),
}

/// A name and a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Of an event: whether the event can be found by it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub topic: bool,
}

impl Field {
    /// A field that is no topic.
    #[must_use]
    pub fn new(name: &str, ty: Type) -> Self {
        Self { name: name.to_string(), ty, topic: false }
    }
}

/// One of the forms of an enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// What it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// A constructor: runs once, when an account is spawned.
    Init,
    /// May change state.
    Call,
    /// Only reads; runs in transactions and in queries.
    View,
    /// Decides whether a transaction of this account is authorised. Only reads.
    Verify,
    /// Runs in the transaction that gives the account this code.
    Migrate,
    /// Decides whether the account may be given other code. Only reads. Without one it never may.
    Upgrade,
}

/// Whether a frame may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Writes, events, transfers, spawns and calls of any kind are allowed.
    Changes,
    /// None of them, here and below.
    ReadOnly,
}

impl FunctionKind {
    /// Whether functions of this kind may change anything.
    #[must_use]
    pub fn mutability(self) -> Mutability {
        match self {
            Self::Init | Self::Call | Self::Migrate => Mutability::Changes,
            Self::View | Self::Verify | Self::Upgrade => Mutability::ReadOnly,
        }
    }
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Call => "call",
            Self::View => "view",
            Self::Verify => "verify",
            Self::Migrate => "migrate",
            Self::Upgrade => "upgrade",
        })
    }
}

/// Something that can be called from outside: an export of the module with the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: FunctionKind,
    /// Whether money may come with a call.
    #[serde(default, skip_serializing_if = "is_false")]
    pub payable: bool,
    /// Whether it may be called while a call of the same account is still running below it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reentrant: bool,
    /// Arguments in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Field>,
    /// What it returns; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Type>,
    /// Its proven price, in the fixed class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
}

/// An error that the contract reverts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorForm {
    /// Its name.
    pub name: String,
    /// The number that stands for it on the wire; below [`RESERVED_CODES`].
    pub code: u32,
    /// What it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// An event that the contract emits. Its number is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventForm {
    /// Its name.
    pub name: String,
    /// What it carries; those marked `topic` can be asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// A variable: a slice of the contract's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: StorageType,
    /// The slice that holds it.
    pub slice: u32,
}

/// What a `migrate` function takes care of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Variables, old or new, whose type or place differs or whose place was another's.
    pub changes: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Something wrong in a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct AbiError {
    /// `functions.transfer.args.to`, or `line 3 column 7` where it is no JSON.
    pub path: String,
    /// What is wrong, and what to do.
    pub why: String,
}

impl Abi {
    /// Reads a document and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once; only the first thing where it is no JSON of the right form.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<AbiError>> {
        let one = |path: String, why: String| vec![AbiError { path, why }];
        if bytes.len() > MAX_BYTES {
            return Err(one("document".into(), format!("{} bytes, more than the {MAX_BYTES} allowed", bytes.len())));
        }
        // The version first: what another version means by its fields is not for this one to judge.
        #[derive(Deserialize)]
        struct Version {
            abi: u32,
        }
        let located = |error: serde_json::Error| {
            let text = error.to_string();
            let why = text.split(" at line ").next().unwrap_or(&text).to_string();
            one(format!("line {} column {}", error.line(), error.column()), why)
        };
        let version: Version = serde_json::from_slice(bytes).map_err(located)?;
        if version.abi != VERSION {
            let why = format!("version {}, and this node reads version {VERSION}", version.abi);
            return Err(one("abi".into(), why));
        }
        let abi: Self = serde_json::from_slice(bytes).map_err(located)?;
        let errors = abi.check();
        if errors.is_empty() { Ok(abi) } else { Err(errors) }
    }

    /// The document as it is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and lists only: there is nothing in it that JSON cannot say.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The function of this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == name)
    }

    /// The one function of a kind that there is at most one of.
    #[must_use]
    pub fn function_of_kind(&self, kind: FunctionKind) -> Option<&Function> {
        self.functions.iter().find(|f| f.kind == kind)
    }

    /// The error with this code.
    #[must_use]
    pub fn error(&self, code: u32) -> Option<&ErrorForm> {
        self.errors.iter().find(|e| e.code == code)
    }

    /// The variable of this name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.storage.iter().find(|v| v.name == name)
    }

    /// The most bytes that an encoded value of this type can have; `None` when there is no bound, and for types that the
    /// document does not define well.
    #[must_use]
    pub fn max_len(&self, ty: &Type) -> Option<usize> {
        Sizes { abi: self, known: BTreeMap::new() }.of(ty)
    }

    /// Bytes of the slice that a variable of this type takes; `None` when it has no bound.
    #[must_use]
    pub fn slice_len(&self, ty: &StorageType) -> Option<usize> {
        match ty {
            StorageType::Value(ty) => self.max_len(ty),
            StorageType::Counter => Some(COUNTER_LEN),
            _ => Some(STATE_LEN),
        }
    }

    /// Everything that is wrong with the document.
    #[must_use]
    pub fn check(&self) -> Vec<AbiError> {
        super::check::errors_of(self)
    }
}

/// The greatest sizes of named types, each worked out once: a document can make them refer to each other so that there
/// are more paths than time.
struct Sizes<'a> {
    abi: &'a Abi,
    /// `None` also while a type is being looked at, so that one which contains itself has no size.
    known: BTreeMap<&'a str, Option<usize>>,
}

impl<'a> Sizes<'a> {
    fn of(&mut self, ty: &Type) -> Option<usize> {
        match ty {
            Type::Bool => Some(1),
            Type::Uint(bits) | Type::Int(bits) => Some(usize::from(*bits) / 8),
            Type::Address => Some(20),
            Type::Hash => Some(32),
            Type::Option(inner) => self.of(inner)?.checked_add(1),
            Type::Bytes | Type::Text | Type::List(_) | Type::Map(..) => None,
            Type::Named(name) => self.of_named(name),
        }
    }

    fn of_named(&mut self, name: &str) -> Option<usize> {
        let (name, definition) = self.abi.types.get_key_value(name)?;
        if let Some(known) = self.known.get(name.as_str()) {
            return *known;
        }
        self.known.insert(name, None);
        let size = match definition {
            Definition::Struct(fields) => self.of_fields(fields),
            Definition::Enum(variants) => variants
                .iter()
                .try_fold(0, |longest: usize, variant| Some(longest.max(self.of_fields(&variant.fields)?)))
                .and_then(|longest| longest.checked_add(1)),
        };
        self.known.insert(name, size);
        size
    }

    fn of_fields(&mut self, fields: &'a [Field]) -> Option<usize> {
        fields.iter().try_fold(0usize, |sum, field| sum.checked_add(self.of(&field.ty)?))
    }
}

/// The name that was probably meant: the nearest by Jaro-Winkler distance, when it is near at all.
#[must_use]
pub fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
