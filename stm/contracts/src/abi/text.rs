//! Values as people write and read them.
//!
//! | type | text |
//! |---|---|
//! | `bool` | `true`, `false` |
//! | integers | `1_000`, `-5`, `0xff` |
//! | `string` | as it is |
//! | `bytes` | `0x` and pairs of hexadecimal digits |
//! | `address`, `hash` | hexadecimal digits, with or without `0x`; for an address also a name that the caller knows |
//! | `option<T>` | `null`, or as `T` |
//! | an enum | the name of a variant without fields, or JSON |
//! | everything else | JSON |

use super::document::{Abi, Definition, Field};
use super::types::Type;
use super::value::{Signed, U256, Value};
use crate::account::Address;
use crate::hash::Hash;
use std::fmt::Write;

/// Names that people have given to accounts.
pub trait Names {
    /// Whose name this is.
    fn address(&self, name: &str) -> Option<Address>;
    /// What this account is called.
    fn name(&self, address: &Address) -> Option<String>;
}

/// Nobody has a name.
pub struct NoNames;

impl Names for NoNames {
    fn address(&self, _: &str) -> Option<Address> {
        None
    }
    fn name(&self, _: &Address) -> Option<String> {
        None
    }
}

/// A text that is no value of the type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, got {got}{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
pub struct TextError {
    /// What was to get a value: `--amount`, `--points[2].x`.
    pub path: String,
    /// The type.
    pub expected: String,
    /// What was written, quoted and shortened.
    pub got: String,
    /// What is wrong with it, where that is not plain to see.
    pub why: Option<String>,
}

impl TextError {
    pub(super) fn new(path: &str, ty: &Type, got: &str, why: Option<String>) -> Self {
        let mut shown: String = got.chars().take(60).collect();
        if shown.len() < got.len() {
            shown.push('…');
        }
        Self { path: path.to_string(), expected: ty.to_string(), got: format!("{shown:?}"), why }
    }
}

impl Abi {
    /// The value that a text stands for. `path` is what errors call it.
    ///
    /// # Errors
    /// When the text is no value of the type.
    pub fn parse_value(&self, path: &str, ty: &Type, text: &str, names: &dyn Names) -> Result<Value, TextError> {
        match ty {
            Type::Option(_) if text == "null" => Ok(Value::Option(None)),
            Type::Option(inner) if !matches!(**inner, Type::Option(_)) && !text.starts_with('"') => {
                let value = self.parse_value(path, inner, text, names)?;
                Ok(Value::Option(Some(Box::new(value))))
            }
            Type::Named(name) if self.is_plain_variant(name, text) => self.from_json(path, ty, &text.into(), names),
            Type::Option(_) | Type::List(_) | Type::Map(..) | Type::Named(_) => {
                let json = serde_json::from_str(text)
                    .map_err(|error| TextError::new(path, ty, text, Some(format!("it is no JSON: {error}"))))?;
                self.from_json(path, ty, &json, names)
            }
            _ => parse_scalar(path, ty, text, names),
        }
    }

    fn is_plain_variant(&self, name: &str, text: &str) -> bool {
        match self.types.get(name) {
            Some(Definition::Enum(variants)) => variants.iter().any(|v| v.name == text && v.fields.is_empty()),
            _ => false,
        }
    }

    /// A value as a person reads it: `[1, 2]`, `Sell { price: 9 }`, `0x00ff`, a name instead of an address.
    #[must_use]
    pub fn show(&self, ty: &Type, value: &Value, names: &dyn Names) -> String {
        let mut out = String::new();
        self.show_into(ty, value, names, &mut out);
        out
    }

    /// A name with fields as a person reads it: `InsufficientFunds { have: 12, need: 30 }`.
    #[must_use]
    pub fn show_fields(&self, name: &str, fields: &[Field], values: &[Value], names: &dyn Names) -> String {
        let mut out = name.to_string();
        self.show_fields_into(fields, values, names, &mut out);
        out
    }

    fn show_fields_into(&self, fields: &[Field], values: &[Value], names: &dyn Names, out: &mut String) {
        for (i, (field, value)) in fields.iter().zip(values).enumerate() {
            let _ = write!(out, "{}{}: ", if i == 0 { " { " } else { ", " }, field.name);
            self.show_into(&field.ty, value, names, out);
        }
        if !fields.is_empty() {
            out.push_str(" }");
        }
    }

    fn show_into(&self, ty: &Type, value: &Value, names: &dyn Names, out: &mut String) {
        match (ty, value) {
            (Type::Option(_), Value::Option(None)) => out.push_str("null"),
            (Type::Option(inner), Value::Option(Some(value))) => self.show_into(inner, value, names, out),
            (Type::List(inner), Value::List(values)) => {
                out.push('[');
                for (i, value) in values.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    self.show_into(inner, value, names, out);
                }
                out.push(']');
            }
            (Type::Map(key_type, value_type), Value::Map(pairs)) => {
                out.push('{');
                for (i, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    self.show_into(key_type, key, names, out);
                    out.push_str(": ");
                    self.show_into(value_type, value, names, out);
                }
                out.push('}');
            }
            (Type::Named(name), value) => match (self.types.get(name), value) {
                (Some(Definition::Struct(fields)), Value::Struct(values)) => {
                    out.push_str(name);
                    self.show_fields_into(fields, values, names, out);
                }
                (Some(Definition::Enum(variants)), Value::Enum(number, values)) => {
                    if let Some(variant) = variants.get(usize::from(*number)) {
                        out.push_str(&variant.name);
                        self.show_fields_into(&variant.fields, values, names, out);
                    }
                }
                _ => out.push('?'),
            },
            (Type::Text, Value::Text(text)) => {
                let _ = write!(out, "{text:?}");
            }
            (_, value) => out.push_str(&scalar_text(value, names).unwrap_or_else(|| "?".into())),
        }
    }
}

/// A scalar as [`parse_scalar`] reads it; `None` for other values.
pub(super) fn scalar_text(value: &Value, names: &dyn Names) -> Option<String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        Value::Address(address) => names.name(address).unwrap_or_else(|| address.to_string()),
        Value::Hash(hash) => hex::encode(hash.as_bytes()),
        _ => return None,
    })
}

pub(super) fn parse_scalar(path: &str, ty: &Type, text: &str, names: &dyn Names) -> Result<Value, TextError> {
    let wrong = |why: Option<String>| TextError::new(path, ty, text, why);
    Ok(match ty {
        Type::Bool => Value::Bool(text.parse().map_err(|_| wrong(None))?),
        Type::Uint(bits) => match integer(text).ok_or_else(|| wrong(None))? {
            (false, Some(value)) if value.bit_len() <= usize::from(*bits) => Value::Uint(value),
            (true, Some(value)) if value.is_zero() => Value::Uint(value),
            (true, _) => return Err(wrong(Some("it is below zero".into()))),
            (false, _) => return Err(wrong(Some(format!("it has more than {bits} bits")))),
        },
        Type::Int(bits) => {
            let (negative, value) = integer(text).ok_or_else(|| wrong(None))?;
            let fits = value.and_then(|value| Signed::new(negative, value, *bits));
            Value::Int(fits.ok_or_else(|| wrong(Some(format!("it has more than {bits} bits"))))?)
        }
        Type::Text => Value::Text(text.to_string()),
        Type::Bytes => {
            let digits = text.strip_prefix("0x").ok_or_else(|| wrong(Some("bytes begin with 0x".into())))?;
            Value::Bytes(hex::decode(digits).map_err(|error| wrong(Some(error.to_string().to_lowercase())))?)
        }
        Type::Address => {
            // A name wins: who has called an account so means it.
            let found = names.address(text).or_else(|| text.parse().ok());
            Value::Address(found.ok_or_else(|| wrong(Some("neither a known name nor 40 hexadecimal digits".into())))?)
        }
        Type::Hash => {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)
                .map_err(|_| wrong(Some("a hash has 64 hexadecimal digits".into())))?;
            Value::Hash(Hash::new(bytes))
        }
        _ => return Err(wrong(None)),
    })
}

/// Sign and magnitude of an integer; no magnitude when it has more than 256 bits; nothing when the text is none.
fn integer(text: &str) -> Option<(bool, Option<U256>)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let is_digit = |b: u8| if radix == 16 { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
    // Separators stand between digits.
    if digits.split('_').any(|group| group.is_empty() || !group.bytes().all(is_digit)) {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    Some((negative, U256::from_str_radix(&plain, radix).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tests_support::token;
    use crate::abi::types::WIDTHS;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    struct Ann;

    impl Names for Ann {
        fn address(&self, name: &str) -> Option<Address> {
            (name == "ann").then(|| Address::of_name("ann"))
        }
        fn name(&self, address: &Address) -> Option<String> {
            (*address == Address::of_name("ann")).then(|| "ann".into())
        }
    }

    fn ty(text: &str) -> Type {
        text.parse().expect("a type")
    }

    fn parse(text: &str, value: &str) -> Result<Value, String> {
        token().parse_value("--amount", &ty(text), value, &Ann).map_err(|error| error.to_string())
    }

    fn error(text: &str, value: &str) -> String {
        parse(text, value).expect_err(value)
    }

    #[test]
    fn what_is_wrong_is_said_with_the_type() {
        assert_eq!(error("u128", "ten"), r#"--amount: expected u128, got "ten""#);
        assert_eq!(error("u8", "256"), r#"--amount: expected u8, got "256": it has more than 8 bits"#);
        assert_eq!(error("u8", "-1"), r#"--amount: expected u8, got "-1": it is below zero"#);
        assert_eq!(error("i8", "-129"), r#"--amount: expected i8, got "-129": it has more than 8 bits"#);
        assert_eq!(error("bool", "yes"), r#"--amount: expected bool, got "yes""#);
        assert_eq!(error("bytes", "ff"), r#"--amount: expected bytes, got "ff": bytes begin with 0x"#);
        assert_eq!(error("bytes", "0xf"), r#"--amount: expected bytes, got "0xf": odd number of digits"#);
        assert_eq!(
            error("address", "bob"),
            r#"--amount: expected address, got "bob": neither a known name nor 40 hexadecimal digits"#
        );
        assert_eq!(error("list<u8>", "[1, 300]"), r#"--amount[1]: expected u8, got "300": it has more than 8 bits"#);
        assert!(error("list<u8>", "1, 2").starts_with(r#"--amount: expected list<u8>, got "1, 2": it is no JSON"#));
        for odd in ["", "-", "_1", "1_", "1__0", "0x", "+1", " 1", "1e3", "0b1", "１"] {
            assert_eq!(error("u64", odd), format!("--amount: expected u64, got {odd:?}"));
        }
        let long = "9".repeat(500);
        assert!(error("u256", &long).len() < 150);
    }

    #[test]
    fn texts_are_read() {
        let uint = |value: u64| Value::Uint(U256::from(value));
        assert_eq!(parse("u64", "1_000"), Ok(uint(1000)));
        assert_eq!(parse("u64", "0xff"), Ok(uint(255)));
        assert_eq!(parse("i64", "-0x10"), Ok(Value::Int((-16).into())));
        assert_eq!(parse("address", "ann"), Ok(Value::Address(Address::of_name("ann"))));
        assert_eq!(parse("option<u8>", "null"), Ok(Value::Option(None)));
        assert_eq!(parse("option<u8>", "3"), Ok(Value::Option(Some(Box::new(uint(3))))));
        assert_eq!(parse("option<string>", "\"null\""), Ok(Value::Option(Some(Box::new(Value::Text("null".into()))))));
        assert_eq!(parse("string", "null"), Ok(Value::Text("null".into())));
        assert_eq!(parse("Side", "Buy"), Ok(Value::Enum(0, vec![])));
        assert_eq!(parse("Side", r#"{"Sell": {"price": 9}}"#), Ok(Value::Enum(1, vec![uint(9)])));
        let pairs = Value::Map(vec![(uint(1), Value::Bool(false)), (uint(2), Value::Bool(true))]);
        assert_eq!(parse("map<u8, bool>", r#"{"2": true, "1": false}"#), Ok(pairs));
    }

    #[test]
    fn values_are_shown_by_name() {
        let abi = token();
        let show = |text: &str, value: &str| abi.show(&ty(text), &parse(text, value).expect(value), &Ann);
        assert_eq!(show("list<Point>", r#"[{"x": 1, "y": -2}]"#), "[Point { x: 1, y: -2 }]");
        assert_eq!(show("Side", r#"{"Sell": {"price": "9"}}"#), "Sell { price: 9 }");
        assert_eq!(show("option<address>", "ann"), "ann");
        assert_eq!(show("map<string, bytes>", r#"{"a b": "0x00ff"}"#), r#"{"a b": 0x00ff}"#);
        let error = abi.error(1).expect("it has one");
        let values = [Value::Uint(U256::from(12)), Value::Uint(U256::from(30))];
        assert_eq!(
            abi.show_fields(&error.name, &error.fields, &values, &NoNames),
            "InsufficientFunds { have: 12, need: 30 }"
        );
        assert_eq!(abi.show_fields("Paused", &[], &[], &NoNames), "Paused");
    }

    proptest! {
        /// Against arbitrary precision: in range exactly when the value is one of the type.
        #[test]
        fn integers_are_those_of_another_implementation(
            bytes in prop::collection::vec(any::<u8>(), 1..34),
            negative: bool,
            bits in prop::sample::select(&WIDTHS[..]),
        ) {
            let magnitude = BigInt::from_bytes_le(num_bigint::Sign::Plus, &bytes);
            let number = if negative { -magnitude } else { magnitude };
            let text = number.to_string();
            let one = BigInt::from(1);
            let unsigned = number >= BigInt::ZERO && number < (one.clone() << bits);
            prop_assert_eq!(parse(&format!("u{bits}"), &text).is_ok(), unsigned);
            let half: BigInt = one << (bits - 1);
            let signed = number >= -half.clone() && number < half;
            let ty = Type::Int(bits);
            let value = token().parse_value("x", &ty, &text, &NoNames);
            prop_assert_eq!(value.is_ok(), signed);
            if let Ok(value) = value {
                prop_assert_eq!(token().show(&ty, &value, &NoNames), text);
            }
        }

        #[test]
        fn any_text_is_a_value_or_an_error(ty in crate::abi::types::tests::any_type(), text in "\\PC{0,30}") {
            let _ = token().parse_value("x", &ty, &text, &NoNames);
        }
    }
}
