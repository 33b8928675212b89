//! Where a key stands among the others: a string of bits.

use std::cmp::Ordering;

/// Bits, the highest of each byte first. Bits behind the end are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// Position by hash: the 256 bits of the key's place in the tree.
    pub(super) fn hashed(key: &[u8]) -> Bits {
        Bits { bytes: crate::hash::key(key).as_bytes().to_vec(), len: 256 }
    }

    /// Position by the key's bytes: before each byte a one, at the end a zero. So no position is the beginning of another, and
    /// positions sort as the keys do, a key before its own continuations.
    pub(super) fn ordered(key: &[u8]) -> Bits {
        let len = key.len() * 9 + 1;
        let mut bytes = vec![0; len.div_ceil(8)];
        for (i, byte) in key.iter().enumerate() {
            // Nine bits from bit 9i on lie in two neighbouring bytes, wherever in the first of them they begin.
            let (at, shift) = (i * 9 / 8, i * 9 % 8);
            let nine = (0x100 | u16::from(*byte)) << (7 - shift);
            let [high, low] = nine.to_be_bytes();
            bytes[at] |= high;
            if let Some(next) = bytes.get_mut(at + 1) {
                *next |= low;
            }
        }
        Bits { bytes, len }
    }

    /// `length u16 LE | bytes`.
    pub(super) fn encode(&self) -> Vec<u8> {
        // At most 256 * 9 + 1 bits.
        let len = u16::try_from(self.len).unwrap_or(u16::MAX).to_le_bytes();
        [len.as_slice(), &self.bytes].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Bits> {
        let (len, rest) = bytes.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_le_bytes(*len));
        let bits = Bits { bytes: rest.to_vec(), len };
        (rest.len() == len.div_ceil(8) && bits == bits.prefix(len)).then_some(bits)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Bit `at`; zero behind the end.
    pub(super) fn bit(&self, at: usize) -> bool {
        self.bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    }

    /// The first `len` bits.
    pub(super) fn prefix(&self, len: usize) -> Bits {
        let len = len.min(self.len);
        let mut bytes = self.bytes[..len.div_ceil(8).min(self.bytes.len())].to_vec();
        if let Some(last) = bytes.last_mut()
            && !len.is_multiple_of(8)
        {
            *last &= 0xff << (8 - len % 8);
        }
        Bits { bytes, len }
    }

    /// How many bits at the beginning are equal.
    pub(super) fn common(&self, other: &Bits) -> usize {
        let equal = self.bytes.iter().zip(&other.bytes).take_while(|(a, b)| a == b).count();
        let bits = match (self.bytes.get(equal), other.bytes.get(equal)) {
            (Some(a), Some(b)) => (a ^ b).leading_zeros() as usize,
            _ => 0,
        };
        (equal * 8 + bits).min(self.len).min(other.len)
    }

    /// Whether this is the beginning of `other`.
    pub(super) fn begins(&self, other: &Bits) -> bool {
        self.common(other) == self.len
    }
}

impl Ord for Bits {
    fn cmp(&self, other: &Bits) -> Ordering {
        self.bytes.cmp(&other.bytes).then(self.len.cmp(&other.len))
    }
}

impl PartialOrd for Bits {
    fn partial_cmp(&self, other: &Bits) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bits: &Bits) -> String {
        (0..bits.len).map(|i| if bits.bit(i) { '1' } else { '0' }).collect()
    }

    #[test]
    fn a_key_in_bits() {
        assert_eq!(text(&Bits::ordered(b"")), "0");
        assert_eq!(text(&Bits::ordered(&[0x80])), "1100000000");
        assert_eq!(text(&Bits::ordered(&[0x00, 0xff])), "1000000001111111110");
    }

    proptest! {
        #[test]
        fn bits_are_nine_a_byte(key in proptest::collection::vec(any::<u8>(), 0..40)) {
            let by_hand: String = key.iter().map(|byte| format!("1{byte:08b}")).chain(["0".to_owned()]).collect();
            prop_assert_eq!(text(&Bits::ordered(&key)), by_hand);
        }

        #[test]
        fn positions_sort_as_keys_do(a in proptest::collection::vec(0u8..3, 0..6), b in proptest::collection::vec(0u8..3, 0..6)) {
            prop_assert_eq!(Bits::ordered(&a).cmp(&Bits::ordered(&b)), a.cmp(&b));
            prop_assert!(a == b || !Bits::ordered(&a).begins(&Bits::ordered(&b)));
        }

        #[test]
        fn common_and_prefix_agree_with_strings(a in proptest::collection::vec(0u8..4, 0..5), b in proptest::collection::vec(0u8..4, 0..5)) {
            let (a, b) = (Bits::ordered(&a), Bits::ordered(&b));
            let equal = text(&a).bytes().zip(text(&b).bytes()).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(a.common(&b), equal);
            prop_assert_eq!(text(&a.prefix(equal)), &text(&a)[..equal]);
            prop_assert!(a.prefix(equal).begins(&b));
            prop_assert_eq!(Bits::decode(&a.prefix(equal).encode()), Some(a.prefix(equal)));
        }
    }

    #[test]
    fn bits_behind_the_end_are_refused() {
        assert_eq!(Bits::decode(&[3, 0, 0b1110_0000]).map(|bits| text(&bits)), Some("111".to_owned()));
        assert_eq!(Bits::decode(&[3, 0, 0b1111_0000]), None);
        assert_eq!(Bits::decode(&[9, 0, 0xff]), None);
        assert_eq!(Bits::decode(&[1]), None);
    }
}
