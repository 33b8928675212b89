//! What was burnt, by frame and kind.

use crate::account::Address;
use borsh::{BorshDeserialize, BorshSerialize};

/// What gas is burnt for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GasKind {
    /// Instructions, hashing, signatures, registers.
    Compute,
    /// Reading storage and balances.
    Read,
    /// Writing storage and balances, storing templates.
    Write,
    /// Calls and spawns.
    Call,
    /// Events.
    Event,
    /// What a failed frame had left and lost.
    Lost,
}

impl GasKind {
    /// All of them, in the order in which a frame's numbers are written.
    pub const ALL: [Self; 6] = [Self::Compute, Self::Read, Self::Write, Self::Call, Self::Event, Self::Lost];
}

/// What one frame has burnt itself, without the frames that it called.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FrameGas {
    /// How many frames it is nested in.
    pub depth: u8,
    /// Whose code ran.
    pub account: Address,
    /// Which function.
    pub function: String,
    /// What it was allowed.
    pub limit: u64,
    /// By kind, in the order of [`GasKind::ALL`].
    pub burnt: [u64; 6],
}

impl FrameGas {
    /// Everything that it has burnt itself.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.burnt.iter().fold(0, |sum, gas| sum.saturating_add(*gas))
    }
}

/// The gas of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Gas {
    /// What it was allowed.
    pub limit: u64,
    /// What it has burnt. The rest was not paid for.
    pub burnt: u64,
    /// What one unit has cost.
    pub price: u64,
    /// Frames in the order in which they began, `verify` of an account with code first. Their totals add up to `burnt`,
    /// together with what is burnt outside of frames.
    pub frames: Vec<FrameGas>,
    /// What was burnt outside of frames, by kind: actions that run no code, and what begins a call.
    pub outside: [u64; 6],
}

impl Gas {
    /// What is paid back.
    #[must_use]
    pub fn refund(&self) -> u64 {
        self.limit.saturating_sub(self.burnt)
    }
}
