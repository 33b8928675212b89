//! Integers of 160 and 256 bits: bytes, low byte first, that know their order. To calculate with them there are the host's registers.

use crate::value::{Value, array};
use alloc::vec::Vec;
use core::cmp::Ordering;

macro_rules! wide {
    ($($(#[$doc:meta])* $name:ident = $len:literal, $signed:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Whether the top bit says that it is below zero.
            pub(crate) const SIGNED: bool = $signed;
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let top = |bytes: &[u8; $len]| bytes[$len - 1] ^ if Self::SIGNED { 0x80 } else { 0 };
                top(&self.0).cmp(&top(&other.0)).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Value for $name {
            const MAX_LEN: Option<usize> = Some($len);
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                array(from).map($name)
            }
        }

        impl From<u128> for $name {
            fn from(value: u128) -> Self {
                let mut bytes = [0; $len];
                bytes[..16].copy_from_slice(&value.to_le_bytes());
                $name(bytes)
            }
        }

        impl crate::Key for $name {
            fn key(&self) -> Vec<u8> {
                let mut bytes = self.0;
                bytes.reverse();
                bytes[0] ^= if Self::SIGNED { 0x80 } else { 0 };
                bytes.to_vec()
            }
            fn from_key(bytes: &[u8]) -> Option<Self> {
                let mut bytes: [u8; $len] = bytes.try_into().ok()?;
                bytes[0] ^= if Self::SIGNED { 0x80 } else { 0 };
                bytes.reverse();
                Some($name(bytes))
            }
        }
    )* };
}

wide! {
    /// An unsigned integer of 160 bits.
    U160 = 20, false;
    /// An unsigned integer of 256 bits.
    U256 = 32, false;
    /// A signed integer of 160 bits.
    I160 = 20, true;
    /// A signed integer of 256 bits.
    I256 = 32, true;
}
