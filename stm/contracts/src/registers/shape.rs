//! How many registers of each width a frame has.

use borsh::{BorshDeserialize, BorshSerialize};

/// The width of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
    /// 160 bits: an address.
    W160,
    /// 256 bits: a hash, or a number.
    W256,
    /// 512 bits: a signature, or a number.
    W512,
}

impl Width {
    /// All of them, narrow ones first: their order in a [`Shape`].
    pub const ALL: [Self; 5] = [Self::W32, Self::W64, Self::W160, Self::W256, Self::W512];

    /// The width of that many bits.
    #[must_use]
    pub fn of_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|width| width.bits() == bits)
    }

    /// In bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
            Self::W160 => 160,
            Self::W256 => 256,
            Self::W512 => 512,
        }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

/// How many registers of each width there are, narrow ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shape {
    /// By width, in the order of [`Width::ALL`].
    pub counts: [u8; 5],
}

/// A shape beyond the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Too many of one width.
    #[error("{count} registers of {bits} bits, more than the {} allowed", Shape::MAX_COUNT)]
    Count {
        /// The width, in bits.
        bits: u32,
        /// How many were asked for.
        count: u8,
    },
    /// Too many bytes in all.
    #[error("{bytes} bytes of registers, more than the {} allowed", Shape::MAX_BYTES)]
    Bytes {
        /// How many were asked for.
        bytes: usize,
    },
}

impl Shape {
    /// The most registers of one width.
    pub const MAX_COUNT: u8 = 64;
    /// The most bytes of all registers: they are made zero at every call.
    pub const MAX_BYTES: usize = 4096;
    /// What a template has that asks for nothing else.
    pub const STANDARD: Self = Self { counts: [16, 16, 8, 4, 4] };

    /// Whether it is within the limits.
    ///
    /// # Errors
    /// What is beyond which limit.
    pub fn check(&self) -> Result<(), ShapeError> {
        for (width, count) in Width::ALL.into_iter().zip(self.counts) {
            if count > Self::MAX_COUNT {
                return Err(ShapeError::Count { bits: width.bits(), count });
            }
        }
        match self.total_bytes() {
            bytes if bytes > Self::MAX_BYTES => Err(ShapeError::Bytes { bytes }),
            _ => Ok(()),
        }
    }

    /// How many there are of one width.
    #[must_use]
    pub fn count(&self, width: Width) -> u8 {
        self.counts[width as usize]
    }

    /// Bytes of all registers.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.start_of(None)
    }

    /// Bytes before the registers of one width: narrower ones come first.
    pub(super) fn start_of(&self, width: Option<Width>) -> usize {
        let before = |w: &Width| width.is_none_or(|width| *w < width);
        Width::ALL.into_iter().filter(before).map(|w| w.bytes() * usize::from(self.count(w))).sum()
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self::STANDARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_set_is_within_the_limits() {
        assert_eq!(Shape::STANDARD.check(), Ok(()));
        assert_eq!(Shape::STANDARD.total_bytes(), 16 * 4 + 16 * 8 + 8 * 20 + 4 * 32 + 4 * 64);
    }

    #[test]
    fn limits_hold_at_the_limit() {
        assert_eq!(Shape { counts: [64, 64, 64, 0, 0] }.check(), Ok(()));
        assert_eq!(Shape { counts: [0, 0, 65, 0, 0] }.check(), Err(ShapeError::Count { bits: 160, count: 65 }));
        assert_eq!(Shape { counts: [0, 0, 0, 0, 64] }.check(), Ok(()));
        assert_eq!(Shape { counts: [1, 0, 0, 0, 64] }.check(), Err(ShapeError::Bytes { bytes: 4100 }));
        assert_eq!(Shape { counts: [0; 5] }.check(), Ok(()));
    }

    #[test]
    fn widths_are_found_by_their_bits() {
        for width in Width::ALL {
            assert_eq!(Width::of_bits(width.bits()), Some(width));
        }
        assert_eq!(Width::of_bits(128), None);
    }
}
