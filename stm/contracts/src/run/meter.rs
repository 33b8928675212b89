//! The gas of one frame, or of a transaction outside of its frames.

use crate::receipt::GasKind;

/// What a frame may burn and has burnt. `own + below ≤ limit`, always.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    pub(super) limit: u64,
    /// By kind, in the order of [`GasKind::ALL`].
    pub(super) own: [u64; 6],
    /// By the frames that it has called.
    below: u64,
    /// What the host does is in what was burnt for computing: class fixed.
    prepaid: bool,
}

impl Meter {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn burnt(&self) -> u64 {
        self.own.iter().sum::<u64>() + self.below
    }

    pub(super) fn left(&self) -> u64 {
        self.limit - self.burnt()
    }

    /// From now on what is burnt is taken out of what was burnt for computing: a proven price covers everything that the frame does.
    pub(super) fn prepay(&mut self) {
        self.prepaid = true;
    }

    /// Burns; `false` when there is not so much, and then nothing is burnt.
    #[must_use]
    pub(super) fn charge(&mut self, kind: GasKind, gas: u64) -> bool {
        if self.prepaid && gas <= self.own[GasKind::Compute as usize] {
            self.own[GasKind::Compute as usize] -= gas;
            self.own[kind as usize] += gas;
            return true;
        }
        let enough = gas <= self.left();
        if enough {
            self.own[kind as usize] += gas;
        }
        enough
    }

    /// What a frame below has burnt of what it was given.
    pub(super) fn burn_below(&mut self, gas: u64) {
        self.below += gas.min(self.left());
    }

    /// A frame that may not keep what it has left.
    pub(super) fn lose_the_rest(&mut self) {
        self.own[GasKind::Lost as usize] += self.left();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_burnt_exactly_and_never_more() {
        let mut meter = Meter::new(10);
        assert!(meter.charge(GasKind::Read, 6));
        assert!(!meter.charge(GasKind::Read, 5));
        assert_eq!((meter.burnt(), meter.left()), (6, 4));
        meter.burn_below(3);
        assert!(meter.charge(GasKind::Compute, 1));
        assert!(meter.charge(GasKind::Compute, 0));
        assert!(!meter.charge(GasKind::Compute, u64::MAX));
        meter.lose_the_rest();
        assert_eq!((meter.burnt(), meter.left()), (10, 0));
        let mut fixed = Meter::new(10);
        assert!(fixed.charge(GasKind::Compute, 8));
        fixed.prepay();
        assert!(fixed.charge(GasKind::Read, 7) && fixed.charge(GasKind::Compute, 1));
        assert_eq!((fixed.burnt(), fixed.own[GasKind::Read as usize]), (8, 7));
        assert!(fixed.charge(GasKind::Write, 2) && !fixed.charge(GasKind::Write, 2), "beyond the price it is paid for");
        let mut other = Meter::new(5);
        other.lose_the_rest();
        assert_eq!(other.own[GasKind::Lost as usize], 5);
    }
}
