//! A library: functions that contracts link, in whose account they run. Its test is a contract that uses it, in `geometry`.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::library;

/// The library.
#[library]
pub mod mathlib {
    use replicode_contract::prelude::*;

    /// The square root, rounded down.
    pub fn root(number: u128) -> u128 {
        if number == 0 {
            return 0;
        }
        let mut guess = 1 << (number.ilog2() / 2 + 1);
        loop {
            let next = (guess + number / guess) / 2;
            if next >= guess {
                return guess;
            }
            guess = next;
        }
    }

    /// `a × b ÷ c`, rounded down; nothing where that is no number of 64 bits.
    pub fn mul_div(a: u64, b: u64, c: u64) -> Option<u64> {
        let product = u128::from(a) * u128::from(b);
        product.checked_div(u128::from(c)).and_then(|quotient| u64::try_from(quotient).ok())
    }

    /// A text in capital letters, as many times as asked for: bytes go in and come out.
    pub fn shout(text: String, times: u32) -> String {
        text.to_ascii_uppercase().repeat(times as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::mathlib::{mul_div, root};

    #[test]
    fn roots_are_the_greatest_whose_squares_fit() {
        for number in (0..2000).chain([u128::MAX, u128::from(u64::MAX), 1 << 100, (1 << 100) - 1]) {
            let found = root(number);
            assert!(found * found <= number, "{number}");
            assert!((found + 1).checked_mul(found + 1).is_none_or(|square| square > number), "{number}");
        }
    }

    #[test]
    fn products_do_not_overflow() {
        assert_eq!(mul_div(u64::MAX, u64::MAX, u64::MAX), Some(u64::MAX));
        assert_eq!((mul_div(u64::MAX, 2, 1), mul_div(1, 1, 0), mul_div(7, 3, 2)), (None, None, Some(10)));
    }
}
