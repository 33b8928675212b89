//! Types of Rust as types of documents.

use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::{Error, GenericArgument, PathArguments, Result, Type};

/// Names of structs and enums that a module defines as values.
pub(crate) type Names = BTreeSet<String>;

const SCALARS: [(&str, &str); 19] = [
    ("bool", "bool"),
    ("u8", "u8"),
    ("u16", "u16"),
    ("u32", "u32"),
    ("u64", "u64"),
    ("u128", "u128"),
    ("U160", "u160"),
    ("U256", "u256"),
    ("i8", "i8"),
    ("i16", "i16"),
    ("i32", "i32"),
    ("i64", "i64"),
    ("i128", "i128"),
    ("I160", "i160"),
    ("I256", "i256"),
    ("Bytes", "bytes"),
    ("String", "string"),
    ("Address", "address"),
    ("Hash", "hash"),
];

/// The last word of a path and the types between its angle brackets.
fn shape(ty: &Type) -> Result<(String, Vec<&Type>)> {
    let not = || {
        let what = "not a type of contracts: values are passed whole, as bool, integers, Bytes, String, Address, Hash, Option, Vec, BTreeMap, \
                    or a struct or enum with #[value]";
        Error::new(ty.span(), what)
    };
    let Type::Path(path) = ty else { return Err(not()) };
    let Some(last) = path.path.segments.last().filter(|_| path.qself.is_none()) else { return Err(not()) };
    let inner = match &last.arguments {
        PathArguments::None => Vec::new(),
        PathArguments::AngleBracketed(given) => {
            let types = given.args.iter().map(|argument| match argument {
                GenericArgument::Type(ty) => Ok(ty),
                other => Err(Error::new(other.span(), "a type is wanted here")),
            });
            types.collect::<Result<_>>()?
        }
        PathArguments::Parenthesized(_) => return Err(not()),
    };
    Ok((last.ident.to_string(), inner))
}

/// A type of values, as documents write it.
pub(crate) fn value(ty: &Type, names: &Names) -> Result<String> {
    let (word, inner) = shape(ty)?;
    if let Some((_, text)) = SCALARS.iter().find(|(rust, _)| *rust == word).filter(|_| inner.is_empty()) {
        return Ok((*text).to_string());
    }
    match (word.as_str(), inner.as_slice()) {
        ("Option", [inner]) => Ok(format!("option<{}>", value(inner, names)?)),
        ("Vec", [inner]) => Ok(format!("list<{}>", value(inner, names)?)),
        ("BTreeMap", [key, inner]) => Ok(format!("map<{}, {}>", value(key, names)?, value(inner, names)?)),
        (word, []) if names.contains(word) => Ok(word.to_string()),
        ("Var" | "Counter" | "List" | "Map" | "Set" | "SortedSet", _) => {
            Err(Error::new(ty.span(), format!("{word} is storage, and not a value: it stays where it is")))
        }
        ("usize" | "isize", _) => {
            Err(Error::new(ty.span(), "its size differs from machine to machine: use u32 or u64"))
        }
        ("f32" | "f64", _) => {
            Err(Error::new(ty.span(), "contracts have no floats: use integers or fixed-point numbers"))
        }
        ("HashMap" | "HashSet", _) => Err(Error::new(ty.span(), "its order is nobody's: use BTreeMap")),
        (word, _) => {
            let meant = SCALARS.iter().map(|(rust, _)| *rust).chain(names.iter().map(String::as_str));
            let near = meant.into_iter().find(|known| known.eq_ignore_ascii_case(word));
            let hint = near.map_or_else(
                || format!("is {word} a struct or enum of this module? mark it with #[value]"),
                |near| format!("did you mean {near}?"),
            );
            Err(Error::new(ty.span(), format!("not a type of contracts: {hint}")))
        }
    }
}

/// A type that can be a key.
fn key(ty: &Type, names: &Names) -> Result<String> {
    let text = value(ty, names)?;
    if SCALARS.iter().any(|(_, scalar)| *scalar == text) {
        return Ok(text);
    }
    Err(Error::new(
        ty.span(),
        format!("{text} cannot be a key: keys are numbers, bool, Bytes, String, Address or Hash"),
    ))
}

fn element(ty: &Type, names: &Names) -> Result<String> {
    let (word, _) = shape(ty)?;
    match word.as_str() {
        "Counter" | "List" | "Map" | "Set" | "SortedSet" => storage(ty, names),
        "Var" => Err(Error::new(ty.span(), "an element is the value itself: leave Var out")),
        "Vec" => Err(Error::new(
            ty.span(),
            "use List, whose elements are units of their own, or put it into a struct with #[value]",
        )),
        "BTreeMap" => Err(Error::new(
            ty.span(),
            "use Map, whose elements are units of their own, or put it into a struct with #[value]",
        )),
        _ => value(ty, names),
    }
}

/// The type of a field of storage, as documents write it.
pub(crate) fn storage(ty: &Type, names: &Names) -> Result<String> {
    let (word, inner) = shape(ty)?;
    match (word.as_str(), inner.as_slice()) {
        ("Var", [inner]) => match shape(inner)?.0.as_str() {
            "Bytes" | "String" | "Vec" | "BTreeMap" => {
                Err(Error::new(inner.span(), "a variable has a greatest length: put it into a Map or List"))
            }
            _ => value(inner, names),
        },
        ("Counter", []) => Ok("counter".to_string()),
        ("List", [inner]) => Ok(format!("list<{}>", element(inner, names)?)),
        ("Map", [of, inner]) => Ok(format!("map<{}, {}>", key(of, names)?, element(inner, names)?)),
        ("Set", [of]) => Ok(format!("set<{}>", key(of, names)?)),
        ("SortedSet", [of]) => Ok(format!("sorted_set<{}>", key(of, names)?)),
        ("Var" | "Counter" | "List" | "Map" | "Set" | "SortedSet", given) => {
            Err(Error::new(ty.span(), format!("{word} does not take {} types", given.len())))
        }
        _ => Err(Error::new(
            ty.span(),
            format!("a field of storage is a Var, Counter, List, Map, Set or SortedSet: Var<{word}>?"),
        )),
    }
}

/// The type of a variable's value, where it is a variable.
pub(crate) fn variable(ty: &Type) -> Option<&Type> {
    match shape(ty) {
        Ok((word, inner)) if word == "Var" => inner.first().copied(),
        _ => None,
    }
}

/// Whether it is written as this one word.
pub(crate) fn is(ty: &Type, word: &str) -> bool {
    shape(ty).is_ok_and(|(found, inner)| found == word && inner.is_empty())
}

/// The two types of a `Result`, where it is one.
pub(crate) fn result(ty: &Type) -> Option<(&Type, &Type)> {
    match shape(ty) {
        Ok((word, inner)) if word == "Result" => match inner.as_slice() {
            [value, error] => Some((value, error)),
            _ => None,
        },
        _ => None,
    }
}
