//! Values: arguments, returns, fields of errors and events, variables, elements of collections. Their bytes are borsh's.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// What has bytes. [`crate::contract`] makes it of structs and enums marked `#[value]`.
pub trait Value: Sized {
    /// The greatest number of bytes, where there is one: then it may be a variable.
    const MAX_LEN: Option<usize>;

    /// Appends its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes it off the front; nothing where the bytes are none of this type.
    fn take(from: &mut &[u8]) -> Option<Self>;

    /// Its bytes.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MAX_LEN.unwrap_or(32));
        self.put(&mut out);
        out
    }

    /// The value of which these are all bytes.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let value = Self::take(&mut bytes)?;
        bytes.is_empty().then_some(value)
    }
}

/// The sum of greatest lengths.
#[must_use]
pub const fn sum(lengths: &[Option<usize>]) -> Option<usize> {
    let (mut total, mut at) = (0, 0);
    while at < lengths.len() {
        match lengths[at] {
            Some(len) => total += len,
            None => return None,
        }
        at += 1;
    }
    Some(total)
}

/// The greatest length of an enum: a byte and its longest variant.
#[must_use]
pub const fn longest(variants: &[Option<usize>]) -> Option<usize> {
    let (mut most, mut at) = (0, 0);
    while at < variants.len() {
        match variants[at] {
            Some(len) if len > most => most = len,
            Some(_) => {}
            None => return None,
        }
        at += 1;
    }
    Some(most + 1)
}

pub(crate) fn array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*head)
}

macro_rules! integers {
    ($($ty:ty)*) => { $(
        impl Value for $ty {
            const MAX_LEN: Option<usize> = Some(size_of::<$ty>());
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn take(from: &mut &[u8]) -> Option<Self> {
                array(from).map(<$ty>::from_le_bytes)
            }
        }
    )* };
}

integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

impl Value for bool {
    const MAX_LEN: Option<usize> = Some(1);
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Nothing: what a function without a return value returns.
impl Value for () {
    const MAX_LEN: Option<usize> = Some(0);
    fn put(&self, _: &mut Vec<u8>) {}
    fn take(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident = $len:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl Value for $name {
            const MAX_LEN: Option<usize> = Some($len);
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                array(from).map($name)
            }
        }
    )* };
}

arrays! {
    /// An account's address.
    Address = 20;
    /// A hash: of a template, of a transaction.
    Hash = 32;
}

fn put_len(len: usize, out: &mut Vec<u8>) {
    (len as u32).put(out);
}

/// A number of items, none of which is smaller than a byte: more than there are bytes cannot be.
fn take_len(from: &mut &[u8]) -> Option<usize> {
    let len = u32::take(from)? as usize;
    (len <= from.len()).then_some(len)
}

/// Bytes of any number: `bytes` in documents. (A `Vec<u8>` is a `list<u8>`, with the same bytes.)
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Value for Bytes {
    const MAX_LEN: Option<usize> = None;
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.0.len(), out);
        out.extend_from_slice(&self.0);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let len = take_len(from)?;
        let (bytes, rest) = from.split_at_checked(len)?;
        *from = rest;
        Some(Bytes(bytes.to_vec()))
    }
}

impl Value for String {
    const MAX_LEN: Option<usize> = None;
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        String::from_utf8(Bytes::take(from)?.0).ok()
    }
}

impl<T: Value> Value for Option<T> {
    const MAX_LEN: Option<usize> = match T::MAX_LEN {
        Some(len) => Some(len + 1),
        None => None,
    };
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.put(out);
            }
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(None),
            1 => T::take(from).map(Some),
            _ => None,
        }
    }
}

impl<T: Value> Value for Vec<T> {
    const MAX_LEN: Option<usize> = None;
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        for value in self {
            value.put(out);
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let len = take_len(from)?;
        let mut values = Vec::with_capacity(len);
        for _ in 0..len {
            values.push(T::take(from)?);
        }
        Some(values)
    }
}

impl<K: Value + Ord, V: Value> Value for BTreeMap<K, V> {
    const MAX_LEN: Option<usize> = None;
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let len = take_len(from)?;
        let mut map = BTreeMap::new();
        for _ in 0..len {
            let key = K::take(from)?;
            // Keys ascend, each once: another order would be other bytes for the same value.
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            let value = V::take(from)?;
            map.insert(key, value);
        }
        Some(map)
    }
}
