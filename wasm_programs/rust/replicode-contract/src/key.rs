//! Keys of collections: bytes that sort as the values do.

use crate::value::{Address, Bytes, Hash};
use alloc::string::String;
use alloc::vec::Vec;

/// A scalar that can be a key; its bytes are 256 at most, or the call ends.
pub trait Key: Sized {
    /// Its bytes.
    fn key(&self) -> Vec<u8>;

    /// The key with these bytes.
    fn from_key(bytes: &[u8]) -> Option<Self>;
}

macro_rules! unsigned {
    ($($ty:ty)*) => { $(
        impl Key for $ty {
            fn key(&self) -> Vec<u8> {
                self.to_be_bytes().to_vec()
            }
            fn from_key(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$ty>::from_be_bytes)
            }
        }
    )* };
}

macro_rules! signed {
    ($($ty:ty)*) => { $(
        impl Key for $ty {
            fn key(&self) -> Vec<u8> {
                (self ^ <$ty>::MIN).to_be_bytes().to_vec()
            }
            fn from_key(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(|bytes| <$ty>::from_be_bytes(bytes) ^ <$ty>::MIN)
            }
        }
    )* };
}

unsigned!(u8 u16 u32 u64 u128);
signed!(i8 i16 i32 i64 i128);

impl Key for bool {
    fn key(&self) -> Vec<u8> {
        [u8::from(*self)].to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

macro_rules! plain {
    ($($ty:ident)*) => { $(
        impl Key for $ty {
            fn key(&self) -> Vec<u8> {
                self.0.to_vec()
            }
            fn from_key(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map($ty)
            }
        }
    )* };
}

plain!(Address Hash Bytes);

impl Key for String {
    fn key(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}
