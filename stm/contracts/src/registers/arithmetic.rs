//! Registers of 256 and 512 bits as unsigned numbers. Results are those modulo 2 to the number of bits; every operation
//! says whether something was lost, so a contract that must not wrap looks at one answer.

use super::{RegisterError, Registers, Width};
use ruint::Uint;

type U256 = Uint<256, 4>;
type U512 = Uint<512, 8>;

/// What registers of one width can do with each other: `to` becomes the result of `a` and `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Sum; lost: the carry.
    Add,
    /// Difference; lost: it was below zero.
    Sub,
    /// Product; lost: the upper half was not zero.
    Mul,
    /// Quotient, rounded down; `b` must not be zero.
    Div,
    /// Remainder; `b` must not be zero.
    Rem,
    /// `a` to the power of `b`, 0 to the power of 0 being 1; lost: the result was wider.
    Pow,
    /// Bits in both.
    And,
    /// Bits in one or both.
    Or,
    /// Bits in exactly one.
    Xor,
    /// `a` moved up by `b` bits, all of them gone when there are not so many; lost: a bit that was set.
    Shl,
    /// `a` moved down by `b` bits; lost: a bit that was set.
    Shr,
}

impl Operation {
    /// All of them; their places are their numbers in the host interface.
    pub const ALL: [Self; 11] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Rem,
        Self::Pow,
        Self::And,
        Self::Or,
        Self::Xor,
        Self::Shl,
        Self::Shr,
    ];
}

impl Registers {
    /// `to = a operation b`, all of one width; they may be the same. Says whether something was lost.
    ///
    /// # Errors
    /// When a register is not there, the width does not calculate, or `b` is zero where it divides. `to` is then as it
    /// was.
    pub fn calculate(
        &mut self,
        operation: Operation,
        width: Width,
        to: u32,
        a: u32,
        b: u32,
    ) -> Result<bool, RegisterError> {
        let (a, b) = (self.get(width, a)?, self.get(width, b)?);
        let (bytes, lost) = match width {
            Width::W256 => {
                let (result, lost) = calculate(operation, U256::from_le_slice(a), U256::from_le_slice(b))?;
                (result.to_le_bytes::<32>().to_vec(), lost)
            }
            Width::W512 => {
                let (result, lost) = calculate(operation, U512::from_le_slice(a), U512::from_le_slice(b))?;
                (result.to_le_bytes::<64>().to_vec(), lost)
            }
            narrow => return Err(RegisterError::NotArithmetic(narrow.bits())),
        };
        self.set(width, to, &bytes)?;
        Ok(lost)
    }

    /// `to = a × b modulo m`, without losing the product's upper half.
    ///
    /// # Errors
    /// When a register is not there, the width does not calculate, or `m` is zero. `to` is then as it was.
    pub fn mulmod(&mut self, width: Width, to: u32, a: u32, b: u32, modulus: u32) -> Result<(), RegisterError> {
        let (a, b, modulus) = (self.get(width, a)?, self.get(width, b)?, self.get(width, modulus)?);
        let bytes = match width {
            Width::W256 => {
                let [a, b, modulus] = [a, b, modulus].map(U256::from_le_slice);
                if modulus.is_zero() {
                    return Err(RegisterError::DivisionByZero);
                }
                a.mul_mod(b, modulus).to_le_bytes::<32>().to_vec()
            }
            Width::W512 => {
                let [a, b, modulus] = [a, b, modulus].map(U512::from_le_slice);
                if modulus.is_zero() {
                    return Err(RegisterError::DivisionByZero);
                }
                a.mul_mod(b, modulus).to_le_bytes::<64>().to_vec()
            }
            narrow => return Err(RegisterError::NotArithmetic(narrow.bits())),
        };
        self.set(width, to, &bytes)
    }

    /// `to = a` with every bit turned around.
    ///
    /// # Errors
    /// When a register is not there or the width does not calculate.
    pub fn not(&mut self, width: Width, to: u32, a: u32) -> Result<(), RegisterError> {
        if !matches!(width, Width::W256 | Width::W512) {
            return Err(RegisterError::NotArithmetic(width.bits()));
        }
        let bytes: Vec<u8> = self.get(width, a)?.iter().map(|byte| !byte).collect();
        self.set(width, to, &bytes)
    }
}

fn calculate<const BITS: usize, const LIMBS: usize>(
    operation: Operation,
    a: Uint<BITS, LIMBS>,
    b: Uint<BITS, LIMBS>,
) -> Result<(Uint<BITS, LIMBS>, bool), RegisterError> {
    // As many bits as the register has, or more, move everything out.
    let shift = usize::try_from(b).unwrap_or(BITS).min(BITS);
    Ok(match operation {
        Operation::Add => a.overflowing_add(b),
        Operation::Sub => a.overflowing_sub(b),
        Operation::Mul => a.overflowing_mul(b),
        Operation::Div => (a.checked_div(b).ok_or(RegisterError::DivisionByZero)?, false),
        Operation::Rem => (a.checked_rem(b).ok_or(RegisterError::DivisionByZero)?, false),
        Operation::Pow => a.overflowing_pow(b),
        Operation::And => (a & b, false),
        Operation::Or => (a | b, false),
        Operation::Xor => (a ^ b, false),
        Operation::Shl => {
            (if shift == BITS { Uint::ZERO } else { a << shift }, a.bit_len() + shift > BITS && !a.is_zero())
        }
        Operation::Shr => (if shift == BITS { Uint::ZERO } else { a >> shift }, a.trailing_zeros() < shift),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    const WIDE: [Width; 2] = [Width::W256, Width::W512];

    /// Numbers of all sizes, and those next to the ends.
    fn number(width: Width) -> impl Strategy<Value = Vec<u8>> {
        let len = width.bytes();
        let full = prop::collection::vec(any::<u8>(), len);
        prop_oneof![
            4 => (full, 0..=len).prop_map(|(mut bytes, keep)| {
                bytes[keep..].fill(0);
                bytes
            }),
            1 => (0u8..4).prop_map(move |small| {
                let mut bytes = vec![0; len];
                bytes[0] = small;
                bytes
            }),
            1 => (0u8..4).prop_map(move |below| {
                let mut bytes = vec![0xff; len];
                bytes[0] -= below;
                bytes
            }),
            1 => (0u16..=600).prop_map(move |number| {
                let mut bytes = vec![0; len];
                bytes[..2].copy_from_slice(&number.to_le_bytes());
                bytes
            }),
        ]
    }

    fn case() -> impl Strategy<Value = (Width, Vec<u8>, Vec<u8>, Vec<u8>)> {
        prop::sample::select(&WIDE[..])
            .prop_flat_map(|width| (Just(width), number(width), number(width), number(width)))
    }

    /// Result and whether something was lost, by arbitrary precision.
    fn expected(operation: Operation, width: Width, a: &BigUint, b: &BigUint) -> Option<(BigUint, bool)> {
        let size = BigUint::from(1u8) << width.bits();
        let zero = BigUint::ZERO;
        let wrapped = |exact: BigUint| (&exact % &size, exact >= size);
        Some(match operation {
            Operation::Add => wrapped(a + b),
            Operation::Sub => ((a + &size - b) % &size, a < b),
            Operation::Mul => wrapped(a * b),
            Operation::Div if *b == zero => return None,
            Operation::Div => (a / b, false),
            Operation::Rem if *b == zero => return None,
            Operation::Rem => (a % b, false),
            Operation::Pow => {
                let value = a.modpow(b, &size);
                // Bases of 0 and 1 stay; any other one is wider than the register from its number of bits on.
                let lost = *a > BigUint::from(1u8)
                    && (*b > BigUint::from(width.bits()) || a.pow(u32::try_from(b).expect("small")) >= size);
                (value, lost)
            }
            Operation::And => (a & b, false),
            Operation::Or => (a | b, false),
            Operation::Xor => (a ^ b, false),
            Operation::Shl => {
                let by = u64::try_from(b).unwrap_or(u64::MAX).min(1024);
                wrapped(a << by)
            }
            Operation::Shr => {
                let by = u64::try_from(b).unwrap_or(u64::MAX).min(1024);
                let shifted = a >> by;
                let lost = (&shifted << by) != *a;
                (shifted, lost)
            }
        })
    }

    fn registers(width: Width, numbers: [&[u8]; 3]) -> Registers {
        let mut registers = Registers::new(Shape::STANDARD);
        for (index, bytes) in (0..).zip(numbers) {
            registers.set(width, index, bytes).expect("fits");
        }
        registers
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_operation_is_that_of_arbitrary_precision((width, a, b, m) in case()) {
            let (x, y) = (BigUint::from_bytes_le(&a), BigUint::from_bytes_le(&b));
            for operation in Operation::ALL {
                let mut registers = registers(width, [&a, &b, &m]);
                let lost = registers.calculate(operation, width, 3, 0, 1);
                match expected(operation, width, &x, &y) {
                    Some((value, was_lost)) => {
                        prop_assert_eq!(lost, Ok(was_lost), "{:?}", operation);
                        let result = BigUint::from_bytes_le(registers.get(width, 3).expect("there"));
                        prop_assert_eq!(result, value, "{:?}", operation);
                    }
                    None => {
                        prop_assert_eq!(lost, Err(RegisterError::DivisionByZero));
                        prop_assert!(registers.get(width, 3).expect("there").iter().all(|b| *b == 0));
                    }
                }
                prop_assert_eq!(registers.get(width, 0), Ok(&a[..]));
                prop_assert_eq!(registers.get(width, 1), Ok(&b[..]));
            }
        }

        #[test]
        fn mulmod_is_that_of_arbitrary_precision((width, a, b, m) in case()) {
            let mut registers = registers(width, [&a, &b, &m]);
            let done = registers.mulmod(width, 3, 0, 1, 2);
            let [x, y, modulus] = [&a, &b, &m].map(|bytes| BigUint::from_bytes_le(bytes));
            if modulus == BigUint::ZERO {
                prop_assert_eq!(done, Err(RegisterError::DivisionByZero));
            } else {
                prop_assert_eq!(done, Ok(()));
                let result = BigUint::from_bytes_le(registers.get(width, 3).expect("there"));
                prop_assert_eq!(result, x * y % modulus);
            }
        }

        #[test]
        fn not_turns_every_bit((width, a, b, m) in case()) {
            let mut registers = registers(width, [&a, &b, &m]);
            registers.not(width, 3, 0).expect("wide");
            let all = (BigUint::from(1u8) << width.bits()) - 1u8;
            let result = BigUint::from_bytes_le(registers.get(width, 3).expect("there"));
            prop_assert_eq!(result, all - BigUint::from_bytes_le(&a));
        }
    }

    #[test]
    fn a_register_may_be_operand_and_result() {
        let mut registers = registers(Width::W256, [&[3], &[4], &[]]);
        assert_eq!(registers.calculate(Operation::Mul, Width::W256, 0, 0, 0), Ok(false));
        assert_eq!(registers.get(Width::W256, 0).expect("there")[0], 9);
        assert_eq!(registers.calculate(Operation::Sub, Width::W256, 1, 1, 0), Ok(true));
        assert_eq!(registers.get(Width::W256, 1).expect("there")[31], 0xff);
    }

    #[test]
    fn narrow_registers_do_not_calculate() {
        let mut registers = Registers::new(Shape::STANDARD);
        for width in [Width::W32, Width::W64, Width::W160] {
            let error = RegisterError::NotArithmetic(width.bits());
            assert_eq!(registers.calculate(Operation::Add, width, 0, 0, 0), Err(error));
            assert_eq!(registers.mulmod(width, 0, 0, 0, 0), Err(error));
            assert_eq!(registers.not(width, 0, 0), Err(error));
        }
        let missing = Err(RegisterError::NoSuchRegister { bits: 256, index: 4 });
        assert_eq!(registers.calculate(Operation::Add, Width::W256, 4, 0, 0), missing);
        assert_eq!(registers.calculate(Operation::Add, Width::W256, 0, 4, 0), missing);
    }
}
