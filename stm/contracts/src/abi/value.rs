//! Values: to bytes and back. The bytes are borsh's for the corresponding Rust types, so a contract in Rust derives its
//! codecs, and equal values have equal bytes.

use super::document::{Abi, Definition, Field};
use super::types::Type;
use crate::account::Address;
use crate::hash::Hash;

/// An unsigned integer as wide as the widest type.
pub type U256 = ruint::Uint<256, 4>;

/// The longest encoding of a value that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// A signed integer of up to 256 bits, kept in two's complement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signed(U256);

impl Signed {
    /// The integer with this sign and magnitude, when it has at most `bits` bits.
    #[must_use]
    pub fn new(negative: bool, magnitude: U256, bits: u16) -> Option<Self> {
        let half = U256::ONE << (usize::from(bits) - 1);
        match negative {
            true if magnitude <= half => Some(Self(magnitude.wrapping_neg())),
            false if magnitude < half => Some(Self(magnitude)),
            _ => None,
        }
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.bit(255)
    }

    /// Its distance from zero.
    #[must_use]
    pub fn magnitude(&self) -> U256 {
        if self.is_negative() { self.0.wrapping_neg() } else { self.0 }
    }

    /// Whether it is one of the integers of this width.
    #[must_use]
    pub fn fits(&self, bits: u16) -> bool {
        Self::new(self.is_negative(), self.magnitude(), bits).is_some()
    }

    fn from_le(bytes: &[u8]) -> Self {
        let fill = if bytes.last().is_some_and(|top| top & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 32];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(U256::from_le_bytes(wide))
    }

    /// With the top bit turned around, two's complement sorts as the integers do.
    pub(super) fn sorted(&self) -> U256 {
        self.0 ^ (U256::ONE << 255)
    }
}

impl From<i64> for Signed {
    fn from(value: i64) -> Self {
        Self::from_le(&value.to_le_bytes())
    }
}

impl PartialOrd for Signed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Signed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.sorted().cmp(&other.sorted())
    }
}

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.is_negative() { "-" } else { "" }, self.magnitude())
    }
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A value of any type. Values of one type are ordered as borsh orders the keys of a map: numbers by size, texts by
/// bytes, the rest from left to right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Of type `bool`.
    Bool(bool),
    /// Of an unsigned integer type.
    Uint(U256),
    /// Of a signed integer type.
    Int(Signed),
    /// Of type `bytes`.
    Bytes(Vec<u8>),
    /// Of type `string`.
    Text(String),
    /// Of type `address`.
    Address(Address),
    /// Of type `hash`.
    Hash(Hash),
    /// Of an option.
    Option(Option<Box<Value>>),
    /// Of a list.
    List(Vec<Value>),
    /// Of a map: keys strictly ascending.
    Map(Vec<(Value, Value)>),
    /// Of a struct: its fields in their order.
    Struct(Vec<Value>),
    /// Of an enum: the variant's number and its fields.
    Enum(u8, Vec<Value>),
}

/// A value that is not of the type that it should be of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got another value")]
pub struct Mismatch {
    /// The type.
    pub expected: String,
}

/// Bytes that are no value of the type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {offset}: {why}")]
pub struct DecodeError {
    /// The type that was being read.
    pub expected: String,
    /// Where.
    pub offset: usize,
    /// What is there instead.
    pub why: String,
}

impl Abi {
    /// The bytes of a value.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn encode(&self, ty: &Type, value: &Value) -> Result<Vec<u8>, Mismatch> {
        let mut out = Vec::new();
        self.write(ty, value, &mut out)?;
        Ok(out)
    }

    /// The bytes of several values one after the other: arguments, or fields of an error or event.
    ///
    /// # Errors
    /// When their number or a type is not that of the fields.
    pub fn encode_fields(&self, fields: &[Field], values: &[Value]) -> Result<Vec<u8>, Mismatch> {
        let mut out = Vec::new();
        self.write_fields("fields", fields, values, &mut out)?;
        Ok(out)
    }

    /// Reads a value back. All bytes have to be its own.
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes are not those of a value of this type.
    pub fn decode(&self, ty: &Type, bytes: &[u8]) -> Result<Value, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let value = reader.read(self, ty)?;
        reader.end(ty)?;
        Ok(value)
    }

    /// Reads the value of a variable: what its slice has beyond the value is zero.
    ///
    /// # Errors
    /// As [`Abi::decode`].
    pub fn decode_padded(&self, ty: &Type, bytes: &[u8]) -> Result<Value, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let value = reader.read(self, ty)?;
        match reader.rest().iter().position(|byte| *byte != 0) {
            None => Ok(value),
            Some(at) => Err(reader.error(ty, format!("it is followed by other bytes, the first {at} later"))),
        }
    }

    /// Reads several values back.
    ///
    /// # Errors
    /// As [`Abi::decode`].
    pub fn decode_fields(&self, fields: &[Field], bytes: &[u8]) -> Result<Vec<Value>, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let values = reader.read_fields(self, fields)?;
        match reader.rest().len() {
            0 => Ok(values),
            more => Err(DecodeError {
                expected: "the end".into(),
                offset: reader.offset,
                why: format!("{more} bytes more than the fields have"),
            }),
        }
    }

    fn write(&self, ty: &Type, value: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let mismatch = || Mismatch { expected: ty.to_string() };
        match (ty, value) {
            (Type::Bool, Value::Bool(value)) => out.push(u8::from(*value)),
            (Type::Uint(bits), Value::Uint(value)) if value.bit_len() <= usize::from(*bits) => {
                out.extend_from_slice(&value.to_le_bytes::<32>()[..usize::from(*bits) / 8]);
            }
            (Type::Int(bits), Value::Int(value)) if value.fits(*bits) => {
                out.extend_from_slice(&value.0.to_le_bytes::<32>()[..usize::from(*bits) / 8]);
            }
            (Type::Bytes, Value::Bytes(bytes)) => write_bytes(bytes, out).ok_or_else(mismatch)?,
            (Type::Text, Value::Text(text)) => write_bytes(text.as_bytes(), out).ok_or_else(mismatch)?,
            (Type::Address, Value::Address(address)) => out.extend_from_slice(address.as_bytes()),
            (Type::Hash, Value::Hash(hash)) => out.extend_from_slice(hash.as_bytes()),
            (Type::Option(_), Value::Option(None)) => out.push(0),
            (Type::Option(inner), Value::Option(Some(value))) => {
                out.push(1);
                self.write(inner, value, out)?;
            }
            (Type::List(inner), Value::List(values)) => {
                write_len(values.len(), out).ok_or_else(mismatch)?;
                values.iter().try_for_each(|value| self.write(inner, value, out))?;
            }
            (Type::Map(key_type, value_type), Value::Map(pairs)) => {
                if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
                    return Err(mismatch());
                }
                write_len(pairs.len(), out).ok_or_else(mismatch)?;
                for (key, value) in pairs {
                    self.write(key_type, key, out)?;
                    self.write(value_type, value, out)?;
                }
            }
            (Type::Named(name), value) => match (self.types.get(name), value) {
                (Some(Definition::Struct(fields)), Value::Struct(values)) => {
                    self.write_fields(name, fields, values, out)?;
                }
                (Some(Definition::Enum(variants)), Value::Enum(number, values)) => {
                    let variant = variants.get(usize::from(*number)).ok_or_else(mismatch)?;
                    out.push(*number);
                    self.write_fields(name, &variant.fields, values, out)?;
                }
                _ => return Err(mismatch()),
            },
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    fn write_fields(&self, of: &str, fields: &[Field], values: &[Value], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        if fields.len() != values.len() {
            return Err(Mismatch { expected: of.to_string() });
        }
        fields.iter().zip(values).try_for_each(|(field, value)| self.write(&field.ty, value, out))
    }
}

fn write_len(len: usize, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u32::try_from(len).ok()?.to_le_bytes());
    Some(())
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write_len(bytes.len(), out)?;
    out.extend_from_slice(bytes);
    Some(())
}

/// Reads values off bytes that anybody may have written. What it allocates is a small multiple of their number: each
/// value takes at least one, and lengths are held against what is left before anything is made.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let reader = Self { bytes, offset: 0 };
        if bytes.len() > MAX_BYTES {
            let why = format!("{} bytes, more than the {MAX_BYTES} allowed", bytes.len());
            return Err(DecodeError { expected: "a value".into(), offset: 0, why });
        }
        Ok(reader)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn error(&self, ty: &Type, why: impl Into<String>) -> DecodeError {
        DecodeError { expected: ty.to_string(), offset: self.offset, why: why.into() }
    }

    fn end(&self, ty: &Type) -> Result<(), DecodeError> {
        match self.rest().len() {
            0 => Ok(()),
            more => Err(self.error(ty, format!("it is followed by {more} bytes more"))),
        }
    }

    fn take(&mut self, ty: &Type, len: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self
            .rest()
            .get(..len)
            .ok_or_else(|| self.error(ty, format!("{} of {len} bytes are left", self.rest().len())))?;
        self.offset += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, ty: &Type) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(ty, N)?);
        Ok(array)
    }

    fn flag(&mut self, ty: &Type) -> Result<bool, DecodeError> {
        match self.array::<1>(ty)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => {
                self.offset -= 1;
                Err(self.error(ty, format!("{other} is neither 0 nor 1")))
            }
        }
    }

    /// A number of things of at least one byte each.
    fn count(&mut self, ty: &Type) -> Result<usize, DecodeError> {
        let count = u32::from_le_bytes(self.array(ty)?) as usize;
        if count > self.rest().len() {
            self.offset -= 4;
            return Err(self.error(ty, format!("it counts {count}, and {} bytes are left", self.rest().len() - 4)));
        }
        Ok(count)
    }

    fn read(&mut self, abi: &Abi, ty: &Type) -> Result<Value, DecodeError> {
        Ok(match ty {
            Type::Bool => Value::Bool(self.flag(ty)?),
            Type::Uint(bits) => Value::Uint(U256::from_le_slice(self.take(ty, usize::from(*bits) / 8)?)),
            Type::Int(bits) => Value::Int(Signed::from_le(self.take(ty, usize::from(*bits) / 8)?)),
            Type::Bytes => {
                let len = self.count(ty)?;
                Value::Bytes(self.take(ty, len)?.to_vec())
            }
            Type::Text => {
                let len = self.count(ty)?;
                let bytes = self.take(ty, len)?;
                match std::str::from_utf8(bytes) {
                    Ok(text) => Value::Text(text.to_string()),
                    Err(error) => {
                        self.offset -= len;
                        return Err(self.error(ty, format!("{error}")));
                    }
                }
            }
            Type::Address => Value::Address(Address::from_bytes(self.array(ty)?)),
            Type::Hash => Value::Hash(Hash::new(self.array(ty)?)),
            Type::Option(inner) => {
                Value::Option(if self.flag(ty)? { Some(Box::new(self.read(abi, inner)?)) } else { None })
            }
            Type::List(inner) => {
                let count = self.count(ty)?;
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.read(abi, inner)?);
                }
                Value::List(values)
            }
            Type::Map(key_type, value_type) => Value::Map(self.read_map(abi, ty, key_type, value_type)?),
            Type::Named(name) => match abi.types.get(name) {
                Some(Definition::Struct(fields)) => Value::Struct(self.read_fields(abi, fields)?),
                Some(Definition::Enum(variants)) => {
                    let [number] = self.array(ty)?;
                    let Some(variant) = variants.get(usize::from(number)) else {
                        self.offset -= 1;
                        return Err(
                            self.error(ty, format!("there are {} variants, and this is {number}", variants.len()))
                        );
                    };
                    Value::Enum(number, self.read_fields(abi, &variant.fields)?)
                }
                None => return Err(self.error(ty, "the document does not define it")),
            },
        })
    }

    fn read_map(
        &mut self,
        abi: &Abi,
        ty: &Type,
        key_type: &Type,
        value_type: &Type,
    ) -> Result<Vec<(Value, Value)>, DecodeError> {
        let count = self.count(ty)?;
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        for _ in 0..count {
            let at = self.offset;
            let key = self.read(abi, key_type)?;
            if pairs.last().is_some_and(|(last, _)| *last >= key) {
                self.offset = at;
                return Err(self.error(ty, "this key is not above the one before"));
            }
            pairs.push((key, self.read(abi, value_type)?));
        }
        Ok(pairs)
    }

    fn read_fields(&mut self, abi: &Abi, fields: &[Field]) -> Result<Vec<Value>, DecodeError> {
        fields.iter().map(|field| self.read(abi, &field.ty)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::abi::tests_support::token;
    use crate::abi::types::tests::any_type;
    use borsh::BorshSerialize;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Values of a type.
    pub(crate) fn any_value(ty: &Type) -> BoxedStrategy<Value> {
        match ty {
            Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            Type::Uint(bits) => {
                let len = usize::from(*bits) / 8;
                any::<[u8; 32]>().prop_map(move |b| Value::Uint(U256::from_le_slice(&b[..len]))).boxed()
            }
            Type::Int(bits) => {
                let len = usize::from(*bits) / 8;
                any::<[u8; 32]>().prop_map(move |b| Value::Int(Signed::from_le(&b[..len]))).boxed()
            }
            Type::Bytes => prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes).boxed(),
            Type::Text => "\\PC{0,20}".prop_map(Value::Text).boxed(),
            Type::Address => any::<[u8; 20]>().prop_map(|b| Value::Address(Address::from_bytes(b))).boxed(),
            Type::Hash => any::<[u8; 32]>().prop_map(|b| Value::Hash(Hash::new(b))).boxed(),
            Type::Option(inner) => {
                prop::option::of(any_value(inner).prop_map(Box::new)).prop_map(Value::Option).boxed()
            }
            Type::List(inner) => prop::collection::vec(any_value(inner), 0..4).prop_map(Value::List).boxed(),
            Type::Map(key, value) => prop::collection::btree_map(any_value(key), any_value(value), 0..4)
                .prop_map(|map| Value::Map(map.into_iter().collect()))
                .boxed(),
            Type::Named(name) => panic!("no values of {name} here"),
        }
    }

    pub(crate) fn any_typed_value() -> impl Strategy<Value = (Type, Value)> {
        any_type().prop_flat_map(|ty| {
            let values = any_value(&ty);
            (Just(ty), values)
        })
    }

    fn ty(text: &str) -> Type {
        text.parse().expect("a type")
    }

    /// The other implementation: what borsh makes of the Rust value.
    fn agree<T: BorshSerialize>(text: &str, value: &Value, rust: &T) {
        let bytes = borsh::to_vec(rust).expect("into memory");
        assert_eq!(token().encode(&ty(text), value), Ok(bytes.clone()), "{text}");
        assert_eq!(token().decode(&ty(text), &bytes), Ok(value.clone()), "{text}");
    }

    fn uint(value: u128) -> Value {
        Value::Uint(U256::from(value))
    }

    fn int(value: i64) -> Value {
        Value::Int(value.into())
    }

    #[test]
    fn the_bytes_are_those_of_borsh() {
        #[derive(BorshSerialize)]
        struct Point {
            x: u32,
            y: i32,
        }
        #[derive(BorshSerialize)]
        enum Side {
            Buy,
            Sell { price: u64 },
        }
        agree("bool", &Value::Bool(true), &true);
        agree("u8", &uint(255), &255u8);
        agree("u128", &uint(u128::MAX), &u128::MAX);
        agree("i16", &int(-2), &-2i16);
        agree("i64", &int(i64::MIN), &i64::MIN);
        agree("i128", &int(-1), &-1i128);
        agree("bytes", &Value::Bytes(vec![1, 2]), &vec![1u8, 2]);
        agree("string", &Value::Text("é".into()), &"é");
        agree("option<u16>", &Value::Option(Some(Box::new(uint(7)))), &Some(7u16));
        agree("option<u16>", &Value::Option(None), &None::<u16>);
        agree("list<u16>", &Value::List(vec![uint(1), uint(2)]), &vec![1u16, 2]);
        agree("Point", &Value::Struct(vec![uint(1), int(-1)]), &Point { x: 1, y: -1 });
        agree("Side", &Value::Enum(0, vec![]), &Side::Buy);
        agree("Side", &Value::Enum(1, vec![uint(9)]), &Side::Sell { price: 9 });
        agree("u160", &uint(3), &{
            let mut bytes = [0u8; 20];
            bytes[0] = 3;
            bytes
        });
    }

    proptest! {
        /// Numeric keys: their bytes sort otherwise than they do.
        #[test]
        fn maps_are_those_of_borsh(map in prop::collection::btree_map(any::<i32>(), any::<u64>(), 0..20)) {
            let value = Value::Map(map.iter().map(|(k, v)| (int(i64::from(*k)), uint(u128::from(*v)))).collect());
            agree("map<i32, u64>", &value, &map);
        }

        #[test]
        fn maps_of_texts_are_those_of_borsh(map in prop::collection::btree_map("\\PC{0,6}", any::<bool>(), 0..20)) {
            let value = Value::Map(map.iter().map(|(k, v)| (Value::Text(k.clone()), Value::Bool(*v))).collect());
            agree("map<string, bool>", &value, &map);
        }

        #[test]
        fn every_value_reads_back((ty, value) in any_typed_value()) {
            let bytes = token().encode(&ty, &value).expect("of its type");
            prop_assert_eq!(token().decode(&ty, &bytes), Ok(value.clone()));
            if let Some(max) = token().max_len(&ty) {
                prop_assert!(bytes.len() <= max);
                let mut slice = bytes.clone();
                slice.resize(max, 0);
                prop_assert_eq!(token().decode_padded(&ty, &slice), Ok(value));
            }
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert!(token().decode(&ty, &longer).is_err(), "one byte too many");
            if let Some((_, shorter)) = bytes.split_last() {
                prop_assert!(token().decode(&ty, shorter).is_err(), "one byte too few");
            }
        }

        /// Whatever decodes is canonical: it encodes to the same bytes.
        #[test]
        fn any_bytes_are_one_value_or_an_error(
            ty in any_type(),
            bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(2), any::<u8>()], 0..80),
        ) {
            if let Ok(value) = token().decode(&ty, &bytes) {
                prop_assert_eq!(token().encode(&ty, &value), Ok(bytes));
            }
        }

        #[test]
        fn signed_integers_are_those_of_the_machine(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (Signed::from(a), Signed::from(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.to_string(), a.to_string());
            for bits in [8u16, 16, 32] {
                let half = 1i64 << (bits - 1);
                prop_assert_eq!(x.fits(bits), (-half..half).contains(&a));
            }
        }
    }

    #[test]
    fn errors_name_type_and_place() {
        let abi = token();
        let error = |text: &str, bytes: &[u8]| abi.decode(&ty(text), bytes).expect_err("wrong bytes").to_string();
        assert_eq!(error("u128", &[0; 15]), "expected u128 at byte 0: 15 of 16 bytes are left");
        assert_eq!(error("bool", &[2]), "expected bool at byte 0: 2 is neither 0 nor 1");
        assert_eq!(
            error("list<u8>", &[255, 255, 255, 255, 1]),
            "expected list<u8> at byte 0: it counts 4294967295, and 1 bytes are left"
        );
        assert_eq!(error("u8", &[1, 2]), "expected u8 at byte 1: it is followed by 1 bytes more");
        assert_eq!(
            error("map<u8, u8>", &[2, 0, 0, 0, 5, 0, 5, 0]),
            "expected map<u8, u8> at byte 6: this key is not above the one before"
        );
        assert_eq!(error("Side", &[2]), "expected Side at byte 0: there are 2 variants, and this is 2");
        assert!(error("string", &[1, 0, 0, 0, 0xff]).starts_with("expected string at byte 4: invalid utf-8"));
        assert!(error("bytes", &vec![0; MAX_BYTES + 1]).contains("more than the 65536 allowed"));
        let fields = [Field::new("a", ty("u8")), Field::new("b", ty("bool"))];
        assert_eq!(abi.decode_fields(&fields, &[1, 1]), Ok(vec![uint(1), Value::Bool(true)]));
        let more = abi.decode_fields(&fields, &[1, 1, 0]).expect_err("too long").to_string();
        assert_eq!(more, "expected the end at byte 2: 1 bytes more than the fields have");
    }

    #[test]
    fn the_longest_value_is_read() {
        let mut bytes = vec![7; MAX_BYTES];
        bytes[..4].copy_from_slice(&u32::try_from(MAX_BYTES - 4).expect("small").to_le_bytes());
        assert_eq!(token().decode(&Type::Bytes, &bytes), Ok(Value::Bytes(vec![7; MAX_BYTES - 4])));
    }

    #[test]
    fn values_of_another_type_are_not_written() {
        let abi = token();
        for (text, value) in [
            ("u8", uint(256)),
            ("i8", int(128)),
            ("i8", int(-129)),
            ("u8", int(1)),
            ("Point", Value::Struct(vec![uint(1)])),
            ("Side", Value::Enum(2, vec![])),
            ("map<u8, u8>", Value::Map(vec![(uint(2), uint(0)), (uint(1), uint(0))])),
            ("map<u8, u8>", Value::Map(vec![(uint(1), uint(0)), (uint(1), uint(0))])),
        ] {
            assert_eq!(abi.encode(&ty(text), &value), Err(Mismatch { expected: text.to_string() }));
        }
        let nested = BTreeMap::from([(1u8, vec![2u16])]);
        agree("map<u8, list<u16>>", &Value::Map(vec![(uint(1), Value::List(vec![uint(2)]))]), &nested);
    }
}
