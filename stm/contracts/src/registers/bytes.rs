//! Registers as bytes: between memory or storage and a register, between registers, comparison, and integers of both
//! endians at any place.

use super::{RegisterError, Registers, Width};
use std::cmp::Ordering;

/// Which end of an integer comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// The low byte first, as wasm's memory has it.
    Little,
    /// The high byte first, as networks and other chains write integers.
    Big,
}

impl Registers {
    fn span(&self, width: Width, index: u32) -> Result<std::ops::Range<usize>, RegisterError> {
        if index >= u32::from(self.shape.count(width)) {
            return Err(RegisterError::NoSuchRegister { bits: width.bits(), index });
        }
        let start = self.shape.start_of(Some(width)) + width.bytes() * index as usize;
        Ok(start..start + width.bytes())
    }

    /// All bytes of a register.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn get(&self, width: Width, index: u32) -> Result<&[u8], RegisterError> {
        Ok(&self.bytes[self.span(width, index)?])
    }

    /// Some bytes of a register.
    ///
    /// # Errors
    /// When there is none of that number, or the bytes are not all within it.
    pub fn part(&self, width: Width, index: u32, offset: u32, count: u32) -> Result<&[u8], RegisterError> {
        let span = part_of(self.span(width, index)?, offset, count)?;
        Ok(&self.bytes[span])
    }

    /// Fills a register: bytes beyond those given become zero.
    ///
    /// # Errors
    /// When there is none of that number, or it has not so many bytes.
    pub fn set(&mut self, width: Width, index: u32, bytes: &[u8]) -> Result<(), RegisterError> {
        let span = self.span(width, index)?;
        part_of(span.clone(), 0, length(bytes))?;
        let register = &mut self.bytes[span];
        register[..bytes.len()].copy_from_slice(bytes);
        register[bytes.len()..].fill(0);
        Ok(())
    }

    /// Replaces some bytes of a register and leaves the others.
    ///
    /// # Errors
    /// When there is none of that number, or the bytes are not all within it.
    pub fn replace(&mut self, width: Width, index: u32, offset: u32, bytes: &[u8]) -> Result<(), RegisterError> {
        let span = part_of(self.span(width, index)?, offset, length(bytes))?;
        self.bytes[span].copy_from_slice(bytes);
        Ok(())
    }

    /// Copies a register to another one of any width: into a wider one with zeros above, into a narrower one without
    /// what it has no room for. Says whether the whole number arrived.
    ///
    /// # Errors
    /// When there is none of one of the numbers.
    pub fn copy(&mut self, to: (Width, u32), from: (Width, u32)) -> Result<bool, RegisterError> {
        let (to, from) = (self.span(to.0, to.1)?, self.span(from.0, from.1)?);
        let count = to.len().min(from.len());
        let whole = self.bytes[from.start + count..from.end].iter().all(|byte| *byte == 0);
        self.bytes.copy_within(from.start..from.start + count, to.start);
        self.bytes[to.start + count..to.end].fill(0);
        Ok(whole)
    }

    /// How two registers of any widths compare as numbers.
    ///
    /// # Errors
    /// When there is none of one of the numbers.
    pub fn compare(&self, a: (Width, u32), b: (Width, u32)) -> Result<Ordering, RegisterError> {
        let (a, b) = (significant(self.get(a.0, a.1)?), significant(self.get(b.0, b.1)?));
        Ok(a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev())))
    }

    /// An integer of 32 bits at a place of a register.
    ///
    /// # Errors
    /// As [`Registers::part`].
    pub fn get32(&self, width: Width, index: u32, offset: u32, endian: Endian) -> Result<u32, RegisterError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.part(width, index, offset, 4)?);
        Ok(match endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }

    /// An integer of 64 bits at a place of a register.
    ///
    /// # Errors
    /// As [`Registers::part`].
    pub fn get64(&self, width: Width, index: u32, offset: u32, endian: Endian) -> Result<u64, RegisterError> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.part(width, index, offset, 8)?);
        Ok(match endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }

    /// Puts an integer of 32 bits at a place of a register and leaves its other bytes.
    ///
    /// # Errors
    /// As [`Registers::replace`].
    pub fn set32(
        &mut self,
        width: Width,
        index: u32,
        offset: u32,
        value: u32,
        endian: Endian,
    ) -> Result<(), RegisterError> {
        let bytes = match endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
        self.replace(width, index, offset, &bytes)
    }

    /// Puts an integer of 64 bits at a place of a register and leaves its other bytes.
    ///
    /// # Errors
    /// As [`Registers::replace`].
    pub fn set64(
        &mut self,
        width: Width,
        index: u32,
        offset: u32,
        value: u64,
        endian: Endian,
    ) -> Result<(), RegisterError> {
        let bytes = match endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
        self.replace(width, index, offset, &bytes)
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn part_of(span: std::ops::Range<usize>, offset: u32, count: u32) -> Result<std::ops::Range<usize>, RegisterError> {
    // A register has 64 bytes at most.
    let len = u32::try_from(span.len()).unwrap_or(u32::MAX);
    if u64::from(offset) + u64::from(count) > u64::from(len) {
        return Err(RegisterError::OutOfBounds { offset, count, len });
    }
    let start = span.start + offset as usize;
    Ok(start..start + count as usize)
}

/// Without the zeros above the number.
fn significant(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..len]
}

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_register_starts_as_zero_and_fills_up_with_zeros() {
        let mut registers = Registers::new(Shape::STANDARD);
        assert_eq!(registers.get(Width::W160, 7), Ok(&[0; 20][..]));
        registers.set(Width::W160, 7, &[9; 20]).expect("fits");
        registers.set(Width::W160, 7, &[1, 2]).expect("fits");
        assert_eq!(registers.get(Width::W160, 7).expect("there")[..3], [1, 2, 0]);
        registers.reset(Shape::STANDARD);
        assert_eq!(registers, Registers::new(Shape::STANDARD));
    }

    #[test]
    fn what_is_not_there_is_refused_at_the_first_byte_beyond() {
        let mut registers = Registers::new(Shape { counts: [1, 0, 0, 0, 2] });
        assert_eq!(
            registers.get(Width::W32, 1).map(<[u8]>::len),
            Err(RegisterError::NoSuchRegister { bits: 32, index: 1 })
        );
        assert_eq!(
            registers.get(Width::W64, 0).map(<[u8]>::len),
            Err(RegisterError::NoSuchRegister { bits: 64, index: 0 })
        );
        assert_eq!(registers.part(Width::W512, 1, 60, 4).map(<[u8]>::len), Ok(4));
        assert_eq!(registers.part(Width::W512, 1, 64, 0).map(<[u8]>::len), Ok(0));
        let beyond = Err(RegisterError::OutOfBounds { offset: 61, count: 4, len: 64 });
        assert_eq!(registers.part(Width::W512, 1, 61, 4).map(<[u8]>::len), beyond);
        assert!(registers.part(Width::W512, 1, u32::MAX, u32::MAX).is_err());
        assert_eq!(registers.set(Width::W32, 0, &[0; 4]), Ok(()));
        assert_eq!(
            registers.set(Width::W32, 0, &[0; 5]),
            Err(RegisterError::OutOfBounds { offset: 0, count: 5, len: 4 })
        );
    }

    #[test]
    fn integers_have_both_endians() {
        let mut registers = Registers::new(Shape::STANDARD);
        registers.set32(Width::W256, 0, 3, 0x0102_0304, Endian::Big).expect("fits");
        assert_eq!(registers.get(Width::W256, 0).expect("there")[..8], [0, 0, 0, 1, 2, 3, 4, 0]);
        assert_eq!(registers.get32(Width::W256, 0, 3, Endian::Little), Ok(0x0403_0201));
        registers.set64(Width::W64, 0, 0, 0x0102_0304_0506_0708, Endian::Little).expect("fits");
        assert_eq!(registers.get(Width::W64, 0), Ok(&[8, 7, 6, 5, 4, 3, 2, 1][..]));
        assert_eq!(registers.get64(Width::W64, 0, 0, Endian::Big), Ok(0x0807_0605_0403_0201));
        assert!(registers.set64(Width::W32, 0, 0, 1, Endian::Little).is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(Width, u32, Vec<u8>),
        Replace(Width, u32, u32, Vec<u8>),
        Copy((Width, u32), (Width, u32)),
        Compare((Width, u32), (Width, u32)),
    }

    fn register() -> impl Strategy<Value = (Width, u32)> {
        (prop::sample::select(&Width::ALL[..]), 0u32..4)
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..70);
        prop_oneof![
            (register(), bytes()).prop_map(|((w, i), b)| Step::Set(w, i, b)),
            (register(), 0u32..70, bytes()).prop_map(|((w, i), o, b)| Step::Replace(w, i, o, b)),
            (register(), register()).prop_map(|(a, b)| Step::Copy(a, b)),
            (register(), register()).prop_map(|(a, b)| Step::Compare(a, b)),
        ]
    }

    proptest! {
        /// The model: a map from (width, number) to bytes. Registers lie in one buffer; none may touch another.
        #[test]
        fn registers_do_what_separate_buffers_do(steps in prop::collection::vec(step(), 0..60)) {
            let mut registers = Registers::new(Shape { counts: [4, 4, 4, 4, 4] });
            let mut model: BTreeMap<(Width, u32), Vec<u8>> = BTreeMap::new();
            for width in Width::ALL {
                for index in 0..4 {
                    model.insert((width, index), vec![0; width.bytes()]);
                }
            }
            for step in steps {
                match step {
                    Step::Set(width, index, bytes) => {
                        let done = registers.set(width, index, &bytes).is_ok();
                        prop_assert_eq!(done, bytes.len() <= width.bytes());
                        if done {
                            let mut whole = bytes;
                            whole.resize(width.bytes(), 0);
                            model.insert((width, index), whole);
                        }
                    }
                    Step::Replace(width, index, offset, bytes) => {
                        let done = registers.replace(width, index, offset, &bytes).is_ok();
                        prop_assert_eq!(done, offset as usize + bytes.len() <= width.bytes());
                        if done {
                            let start = offset as usize;
                            model.get_mut(&(width, index)).expect("there")[start..start + bytes.len()]
                                .copy_from_slice(&bytes);
                        }
                    }
                    Step::Copy(to, from) => {
                        let mut bytes = model[&from].clone();
                        let fits = BigUint::from_bytes_le(&bytes).bits() <= u64::from(to.0.bits());
                        bytes.resize(to.0.bytes(), 0);
                        model.insert(to, bytes);
                        prop_assert_eq!(registers.copy(to, from), Ok(fits));
                    }
                    Step::Compare(a, b) => {
                        let expected = BigUint::from_bytes_le(&model[&a]).cmp(&BigUint::from_bytes_le(&model[&b]));
                        prop_assert_eq!(registers.compare(a, b), Ok(expected));
                    }
                }
                for ((width, index), bytes) in &model {
                    prop_assert_eq!(registers.get(*width, *index), Ok(&bytes[..]));
                }
            }
        }
    }
}
