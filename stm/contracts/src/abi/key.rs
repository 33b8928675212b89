//! Scalars as bytes that sort as the values do: keys of collections.
//!
//! | type | bytes |
//! |---|---|
//! | `bool` | 0 or 1 |
//! | `u8` … `u256` | big endian |
//! | `i8` … `i256` | big endian two's complement with the top bit turned around |
//! | `bytes`, `string`, `address`, `hash` | as they are, without a length |

use super::types::Type;
use super::value::{Mismatch, Signed, U256, Value};
use crate::account::Address;
use crate::hash::Hash;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 256;

/// The bytes of a scalar value.
///
/// # Errors
/// When the value is not of this type, the type is no scalar, or the bytes are more than [`MAX_KEY`].
pub fn encode(ty: &Type, value: &Value) -> Result<Vec<u8>, Mismatch> {
    let bytes = match (ty, value) {
        (Type::Bool, Value::Bool(value)) => vec![u8::from(*value)],
        (Type::Uint(bits), Value::Uint(value)) if value.bit_len() <= usize::from(*bits) => low_bytes(*value, *bits),
        (Type::Int(bits), Value::Int(value)) if value.fits(*bits) => low_bytes(offset(value.sorted(), *bits), *bits),
        (Type::Bytes, Value::Bytes(bytes)) => bytes.clone(),
        (Type::Text, Value::Text(text)) => text.clone().into_bytes(),
        (Type::Address, Value::Address(address)) => address.as_bytes().to_vec(),
        (Type::Hash, Value::Hash(hash)) => hash.as_bytes().to_vec(),
        _ => return Err(Mismatch { expected: format!("{ty} as a key") }),
    };
    if bytes.len() > MAX_KEY {
        return Err(Mismatch { expected: format!("{ty} of at most {MAX_KEY} bytes") });
    }
    Ok(bytes)
}

/// Reads a key back; `None` when the bytes are none of this type.
#[must_use]
pub fn decode(ty: &Type, bytes: &[u8]) -> Option<Value> {
    if bytes.len() > MAX_KEY {
        return None;
    }
    Some(match ty {
        Type::Bool => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        Type::Uint(bits) if bytes.len() * 8 == usize::from(*bits) => Value::Uint(U256::from_be_slice(bytes)),
        Type::Int(bits) if bytes.len() * 8 == usize::from(*bits) => {
            let shifted = U256::from_be_slice(bytes);
            let half = U256::ONE << (usize::from(*bits) - 1);
            let negative = shifted < half;
            Value::Int(Signed::new(negative, shifted.abs_diff(half), *bits)?)
        }
        Type::Bytes => Value::Bytes(bytes.to_vec()),
        Type::Text => Value::Text(String::from_utf8(bytes.to_vec()).ok()?),
        Type::Address => Value::Address(Address::from_bytes(bytes.try_into().ok()?)),
        Type::Hash => Value::Hash(Hash::new(bytes.try_into().ok()?)),
        _ => return None,
    })
}

/// From an order with zero in the middle of 256 bits to one with zero in the middle of `bits`.
fn offset(sorted: U256, bits: u16) -> U256 {
    let half = U256::ONE << (usize::from(bits) - 1);
    sorted.wrapping_sub(U256::ONE << 255).wrapping_add(half)
}

fn low_bytes(value: U256, bits: u16) -> Vec<u8> {
    value.to_be_bytes::<32>()[32 - usize::from(bits) / 8..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::types::WIDTHS;
    use crate::abi::value::tests::any_value;
    use proptest::prelude::*;

    fn two_keys() -> impl Strategy<Value = (Type, Value, Value)> {
        let scalar = prop_oneof![
            Just(Type::Bool),
            prop::sample::select(&WIDTHS[..]).prop_map(Type::Uint),
            prop::sample::select(&WIDTHS[..]).prop_map(Type::Int),
            Just(Type::Bytes),
            Just(Type::Text),
            Just(Type::Address),
            Just(Type::Hash),
        ];
        scalar.prop_flat_map(|ty| {
            let (a, b) = (any_value(&ty), any_value(&ty));
            (Just(ty), a, b)
        })
    }

    proptest! {
        #[test]
        fn keys_sort_as_values_do_and_read_back((ty, a, b) in two_keys()) {
            let (x, y) = (encode(&ty, &a).expect("a scalar"), encode(&ty, &b).expect("a scalar"));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(decode(&ty, &x), Some(a));
            prop_assert_eq!(decode(&ty, &y), Some(b));
        }

        #[test]
        fn small_integers_are_those_of_the_machine(a in any::<i16>()) {
            let expected = a.to_be_bytes();
            let bytes = encode(&Type::Int(16), &Value::Int(i64::from(a).into())).expect("fits");
            prop_assert_eq!(bytes, vec![expected[0] ^ 0x80, expected[1]]);
        }

        #[test]
        fn any_bytes_are_one_key_or_none((ty, ..) in two_keys(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(value) = decode(&ty, &bytes) {
                prop_assert_eq!(encode(&ty, &value), Ok(bytes));
            }
        }
    }

    #[test]
    fn the_longest_key_is_a_key() {
        let key = |len: usize| encode(&Type::Bytes, &Value::Bytes(vec![1; len]));
        assert_eq!(key(MAX_KEY).map(|k| k.len()), Ok(MAX_KEY));
        assert!(key(MAX_KEY + 1).is_err());
        assert_eq!(decode(&Type::Bytes, &[0; MAX_KEY + 1]), None);
        assert!(encode(&Type::List(Box::new(Type::Bool)), &Value::List(vec![])).is_err());
    }
}
