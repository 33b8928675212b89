//! Registers: fixed-size buffers that every frame has beside its memory, for values wider than the engine's.
//!
//! A frame starts with all of them zero and they are gone when it ends. How many there are of each width is the
//! template's choice within limits; without one it has the first set there was: 16 of 32 bits, 16 of 64, 8 of 160, 4 of
//! 256 and 4 of 512. A register holds bytes; as a number it is unsigned and little endian.
//!
//! | module | it is |
//! |---|---|
//! | [`shape`] | how many registers of each width there are |
//! | [`bytes`] | bytes in and out, whole and in part, copies, comparison, integers of both endians |
//! | [`arithmetic`] | what registers of 256 and 512 bits can do as numbers |

pub mod arithmetic;
pub mod bytes;
pub mod shape;

pub use arithmetic::Operation;
pub use bytes::Endian;
pub use shape::{Shape, ShapeError, Width};

/// Why a register operation was refused. In a contract it is a trap: the code is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is no register of that number, or none of that width.
    #[error("there is no register {index} of {bits} bits")]
    NoSuchRegister {
        /// Width asked for, in bits.
        bits: u32,
        /// Number asked for.
        index: u32,
    },
    /// Bytes outside the register.
    #[error("bytes {offset} to {} of a register of {len} bytes", u64::from(*.offset) + u64::from(*.count))]
    OutOfBounds {
        /// First byte asked for.
        offset: u32,
        /// How many.
        count: u32,
        /// Bytes that the register has.
        len: u32,
    },
    /// A division by zero, or a remainder.
    #[error("division by zero")]
    DivisionByZero,
    /// Only registers of 256 and 512 bits are numbers to calculate with.
    #[error("registers of {0} bits do not calculate: copy to one of 256 or 512")]
    NotArithmetic(u32),
}

/// The registers of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    shape: Shape,
    bytes: Vec<u8>,
}

impl Registers {
    /// Registers of this shape, all zero.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, bytes: vec![0; shape.total_bytes()] }
    }

    /// Makes all of them zero again and gives them another shape: a frame's registers without a new allocation.
    pub fn reset(&mut self, shape: Shape) {
        self.shape = shape;
        self.bytes.clear();
        self.bytes.resize(shape.total_bytes(), 0);
    }

    /// How many there are.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }
}
