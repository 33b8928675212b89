//! The types of variables: values of fixed size, and collections, in each other without limit but the depth of types.
//!
//! ```text
//! variable = type of fixed size | counter | list<element> | map<scalar, element> | set<scalar> | sorted_set<scalar>
//! element  = type | counter | list<…> | map<…> | set<…> | sorted_set<…>
//! ```
//!
//! In storage `list` and `map` are collections, each element a unit of its own; to keep one as a single value, put it
//! into a struct.

use super::types::{Shape, Type, TypeError, not_a_type};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Bytes that a collection takes in its parent, variable or element: its state.
pub const STATE_LEN: usize = 32;

/// Bytes that a counter takes: a signed sum of 128 bits.
pub const COUNTER_LEN: usize = 16;

/// The type of a variable or of an element of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StorageType {
    /// One value.
    Value(Type),
    /// `counter`: a number of 128 bits whose additions commute.
    Counter,
    /// `list<element>`
    List(Box<StorageType>),
    /// `map<key, element>`
    Map(Type, Box<StorageType>),
    /// `set<key>`
    Set(Type),
    /// `sorted_set<key>`
    SortedSet(Type),
}

impl StorageType {
    /// Whether it has elements, and so a state of its own.
    #[must_use]
    pub fn is_collection(&self) -> bool {
        !matches!(self, Self::Value(_) | Self::Counter)
    }

    fn from_shape(shape: &Shape) -> Result<Self, String> {
        match (shape.word.as_str(), shape.inner.as_slice()) {
            ("counter", []) => Ok(Self::Counter),
            ("list", [element]) => Ok(Self::List(Box::new(Self::from_shape(element)?))),
            ("map", [key, element]) => Ok(Self::Map(scalar(key)?, Box::new(Self::from_shape(element)?))),
            ("set", [key]) => Ok(Self::Set(scalar(key)?)),
            ("sorted_set", [key]) => Ok(Self::SortedSet(scalar(key)?)),
            (word @ ("set" | "sorted_set"), inner) => Err(format!("{word} takes one type, got {}", inner.len())),
            _ => shape.to_type().map(Self::Value),
        }
    }
}

fn scalar(shape: &Shape) -> Result<Type, String> {
    let ty = shape.to_type()?;
    if ty.is_scalar() { Ok(ty) } else { Err(format!("{ty} cannot be a key: keys are scalars")) }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(ty) => ty.fmt(f),
            Self::Counter => f.write_str("counter"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(key, element) => write!(f, "map<{key}, {element}>"),
            Self::Set(key) => write!(f, "set<{key}>"),
            Self::SortedSet(key) => write!(f, "sorted_set<{key}>"),
        }
    }
}

impl FromStr for StorageType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        Shape::parse(text).and_then(|shape| Self::from_shape(&shape).map_err(|why| not_a_type(text, why)))
    }
}

impl TryFrom<String> for StorageType {
    type Error = TypeError;

    fn try_from(text: String) -> Result<Self, TypeError> {
        text.parse()
    }
}

impl From<StorageType> for String {
    fn from(ty: StorageType) -> Self {
        ty.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_nest_and_read_back() {
        for text in [
            "u128",
            "counter",
            "map<string, list<u64>>",
            "list<map<address, sorted_set<i256>>>",
            "map<hash, counter>",
            "set<bytes>",
            "list<option<u8>>",
        ] {
            assert_eq!(text.parse::<StorageType>().map(|t| t.to_string()), Ok(text.to_string()));
        }
        let nested = "map<string, list<u64>>".parse::<StorageType>();
        let list = StorageType::List(Box::new(StorageType::Value(Type::Uint(64))));
        assert_eq!(nested, Ok(StorageType::Map(Type::Text, Box::new(list))));
    }

    #[test]
    fn keys_are_scalars() {
        let why = |text: &str| text.parse::<StorageType>().expect_err(text).why;
        assert_eq!(why("map<list<u8>, u8>"), "list<u8> cannot be a key: keys are scalars");
        assert_eq!(why("set<Point>"), "Point cannot be a key: keys are scalars");
        assert_eq!(why("sorted_set"), "sorted_set takes one type, got 0");
        assert_eq!(why("map<u8>"), "map takes two types, got 1");
    }
}
