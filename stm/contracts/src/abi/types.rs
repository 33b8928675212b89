//! The types of values, and how they are written.
//!
//! ```text
//! type = bool | u8 … u256 | i8 … i256 | bytes | string | address | hash
//!      | option<type> | list<type> | map<type, type> | Name          (a struct or an enum that the document defines)
//! ```

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Widths of integers, in bits.
pub const WIDTHS: [u16; 7] = [8, 16, 32, 64, 128, 160, 256];

/// How deep types may be nested, counted through named ones: what decoding and printing recurse to.
pub const MAX_NESTING: usize = 16;

/// The longest text of a type, in bytes.
pub const MAX_TYPE_TEXT: usize = 512;

/// The type of a value: of an argument, a return value, a field, an element of a collection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Type {
    /// `bool`
    Bool,
    /// An unsigned integer of that many bits: one of [`WIDTHS`].
    Uint(u16),
    /// A signed integer of that many bits: one of [`WIDTHS`].
    Int(u16),
    /// `bytes`: any, with their length.
    Bytes,
    /// `string`: UTF-8 with its length in bytes.
    Text,
    /// `address`: 20 bytes.
    Address,
    /// `hash`: 32 bytes.
    Hash,
    /// `option<T>`
    Option(Box<Type>),
    /// `list<T>`
    List(Box<Type>),
    /// `map<K, V>`
    Map(Box<Type>, Box<Type>),
    /// A struct or an enum of the same document.
    Named(String),
}

impl Type {
    /// Whether values of this type may be keys of stored collections: they have bytes that sort as they do.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(
            self,
            Self::Bool | Self::Uint(_) | Self::Int(_) | Self::Bytes | Self::Text | Self::Address | Self::Hash
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Uint(bits) => write!(f, "u{bits}"),
            Self::Int(bits) => write!(f, "i{bits}"),
            Self::Bytes => f.write_str("bytes"),
            Self::Text => f.write_str("string"),
            Self::Address => f.write_str("address"),
            Self::Hash => f.write_str("hash"),
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::List(inner) => write!(f, "list<{inner}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// A text that is no type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a type: {why}")]
pub struct TypeError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong with it, and where.
    pub why: String,
}

impl FromStr for Type {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        Shape::parse(text).and_then(|shape| shape.to_type().map_err(|why| not_a_type(text, why)))
    }
}

impl TryFrom<String> for Type {
    type Error = TypeError;

    fn try_from(text: String) -> Result<Self, TypeError> {
        text.parse()
    }
}

impl From<Type> for String {
    fn from(ty: Type) -> Self {
        ty.to_string()
    }
}

pub(super) fn not_a_type(text: &str, why: String) -> TypeError {
    TypeError { text: text.chars().take(80).collect(), why }
}

/// Whether a text may name a type, a function, a field…: a letter or `_`, then letters, digits or `_`; up to 64 bytes.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 64
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A word with the shapes between its angle brackets: what the grammar gives before words have a meaning. Types of
/// values and types of variables are read from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) word: String,
    pub(super) inner: Vec<Shape>,
}

impl Shape {
    pub(super) fn parse(text: &str) -> Result<Self, TypeError> {
        if text.len() > MAX_TYPE_TEXT {
            return Err(not_a_type(
                text,
                format!("it has {} bytes, more than the {MAX_TYPE_TEXT} allowed", text.len()),
            ));
        }
        let mut rest = text;
        let shape = Self::read(&mut rest, 0)
            .and_then(|shape| match rest.trim_start() {
                "" => Ok(shape),
                more => Err((format!("unexpected {:?}", first_char(more)), more.len())),
            })
            .map_err(|(why, left)| not_a_type(text, format!("{why} at byte {}", text.len() - left)))?;
        Ok(shape)
    }

    /// An error comes with the number of bytes that were left where it was noticed.
    fn read(rest: &mut &str, depth: usize) -> Result<Self, (String, usize)> {
        if depth >= MAX_NESTING {
            return Err((format!("nested deeper than {MAX_NESTING}"), rest.len()));
        }
        *rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return Err(("a name is missing".to_string(), rest.len()));
        }
        *rest = after.trim_start();
        let mut inner = Vec::new();
        if let Some(after) = rest.strip_prefix('<') {
            *rest = after;
            loop {
                inner.push(Self::read(rest, depth + 1)?);
                *rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix(',') {
                    *rest = after;
                } else if let Some(after) = rest.strip_prefix('>') {
                    *rest = after;
                    break;
                } else {
                    return Err(("expected ',' or '>'".to_string(), rest.len()));
                }
            }
        }
        Ok(Self { word: word.to_string(), inner })
    }

    pub(super) fn to_type(&self) -> Result<Type, String> {
        let inner = self.inner.iter().map(Self::to_type).collect::<Result<Vec<_>, _>>()?;
        let count = inner.len();
        let mut inner = inner.into_iter().map(Box::new);
        let ty = match (self.word.as_str(), inner.next(), inner.next()) {
            ("option", Some(some), None) => Type::Option(some),
            ("list", Some(element), None) => Type::List(element),
            ("map", Some(key), Some(value)) if count == 2 => Type::Map(key, value),
            ("option" | "list", ..) => return Err(format!("{} takes one type, got {count}", self.word)),
            ("map", ..) => return Err(format!("map takes two types, got {count}")),
            (word, None, None) => scalar(word)?,
            (word, ..) => return Err(format!("{word} takes no types")),
        };
        Ok(ty)
    }
}

fn first_char(text: &str) -> char {
    text.chars().next().unwrap_or(' ')
}

fn scalar(word: &str) -> Result<Type, String> {
    Ok(match word {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "string" => Type::Text,
        "address" => Type::Address,
        "hash" => Type::Hash,
        "set" | "sorted_set" | "counter" => return Err(format!("{word} is a collection: only a variable can be one")),
        _ => {
            if let Some(bits) = integer_width(word, 'u')? {
                Type::Uint(bits)
            } else if let Some(bits) = integer_width(word, 'i')? {
                Type::Int(bits)
            } else if is_name(word) {
                Type::Named(word.to_string())
            } else {
                return Err(format!("{word:?} is no name"));
            }
        }
    })
}

/// `u7` and the like are refused, not taken for names: they are mistakes.
fn integer_width(word: &str, sign: char) -> Result<Option<u16>, String> {
    let Some(digits) = word.strip_prefix(sign).filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
    else {
        return Ok(None);
    };
    match WIDTHS.iter().find(|bits| bits.to_string() == digits) {
        Some(bits) => Ok(Some(*bits)),
        None => Err(format!("there is no {word}: integers have 8, 16, 32, 64, 128, 160 or 256 bits")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::abi) fn any_type() -> impl Strategy<Value = Type> {
        let scalar = prop_oneof![
            Just(Type::Bool),
            prop::sample::select(&WIDTHS[..]).prop_map(Type::Uint),
            prop::sample::select(&WIDTHS[..]).prop_map(Type::Int),
            Just(Type::Bytes),
            Just(Type::Text),
            Just(Type::Address),
            Just(Type::Hash),
        ];
        scalar.prop_recursive(4, 16, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|t| Type::Option(Box::new(t))),
                inner.clone().prop_map(|t| Type::List(Box::new(t))),
                (inner.clone(), inner).prop_map(|(k, v)| Type::Map(Box::new(k), Box::new(v))),
            ]
        })
    }

    fn why(text: &str) -> String {
        text.parse::<Type>().expect_err(text).why
    }

    #[test]
    fn types_are_read() {
        assert_eq!("u128".parse(), Ok(Type::Uint(128)));
        assert_eq!(
            " map < string,option<i256>> ".parse::<Type>().map(|t| t.to_string()),
            Ok("map<string, option<i256>>".into())
        );
        assert_eq!("Point".parse(), Ok(Type::Named("Point".into())));
        assert_eq!("user".parse(), Ok(Type::Named("user".into())));
    }

    #[test]
    fn what_is_no_type_says_why_and_where() {
        assert_eq!(why("u7"), "there is no u7: integers have 8, 16, 32, 64, 128, 160 or 256 bits");
        assert_eq!(why("u512"), "there is no u512: integers have 8, 16, 32, 64, 128, 160 or 256 bits");
        assert_eq!(why("list<u8"), "expected ',' or '>' at byte 7");
        assert_eq!(why("list<>"), "a name is missing at byte 5");
        assert_eq!(why("u8>"), "unexpected '>' at byte 2");
        assert_eq!(why("list<u8, u8>"), "list takes one type, got 2");
        assert_eq!(why("map<u8>"), "map takes two types, got 1");
        assert_eq!(why("map<u8, u8, u8>"), "map takes two types, got 3");
        assert_eq!(why("bool<u8>"), "bool takes no types");
        assert_eq!(why("list<set>"), "set is a collection: only a variable can be one");
        assert_eq!(why("9a"), "\"9a\" is no name");
        assert_eq!(why(""), "a name is missing at byte 0");
        assert_eq!(why("é"), "a name is missing at byte 0");
    }

    #[test]
    fn nesting_and_length_end_at_their_limits() {
        let nested = |depth: usize| format!("{}u8{}", "list<".repeat(depth - 1), ">".repeat(depth - 1));
        assert!(nested(MAX_NESTING).parse::<Type>().is_ok());
        assert!(why(&nested(MAX_NESTING + 1)).contains("nested deeper than 16"));
        let spaced = |len: usize| format!("u8{}", " ".repeat(len - 2));
        assert!(spaced(MAX_TYPE_TEXT).parse::<Type>().is_ok());
        assert!(why(&spaced(MAX_TYPE_TEXT + 1)).contains("more than the 512 allowed"));
        assert!(is_name(&"a".repeat(64)) && !is_name(&"a".repeat(65)));
    }

    proptest! {
        #[test]
        fn a_written_type_reads_back(ty in any_type()) {
            prop_assert_eq!(ty.to_string().parse(), Ok(ty));
        }

        #[test]
        fn any_text_is_a_type_or_an_error(text in "\\PC{0,40}|[a-z<>,0-9 ]{0,40}") {
            let _ = text.parse::<Type>();
        }
    }
}
