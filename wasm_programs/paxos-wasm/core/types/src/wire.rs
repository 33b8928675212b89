//! Reading and writing of little-endian bytes, with errors that say where and what.

use bytes::Bytes;
use std::fmt;

/// Why bytes could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// The offset at which reading stopped.
    pub offset: usize,
    /// What was read and what is wrong with it.
    pub what: String,
}

impl WireError {
    /// An error at `offset`.
    pub fn new(offset: usize, what: impl Into<String>) -> Self {
        WireError { offset, what: what.into() }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.what, self.offset)
    }
}

impl std::error::Error for WireError {}

/// A cursor over bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! integer {
    ($name:ident, $type:ty) => {
        /// The next integer of this width.
        #[inline]
        pub fn $name(&mut self, what: &'static str) -> Result<$type, WireError> {
            const N: usize = size_of::<$type>();
            match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) {
                Some(chunk) => {
                    self.at += N;
                    Ok(<$type>::from_le_bytes(*chunk))
                }
                None => Err(self.short(what, N)),
            }
        }
    };
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    integer!(u8, u8);
    integer!(u16, u16);
    integer!(u32, u32);
    integer!(u64, u64);
    integer!(u128, u128);

    #[cold]
    fn short(&self, what: &'static str, wanted: usize) -> WireError {
        WireError::new(self.at, format!("{what} needs {wanted} bytes and {} are left", self.left()))
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..len)) {
            Some(part) => {
                self.at += len;
                Ok(part)
            }
            None => Err(self.short(what, len)),
        }
    }

    /// A 32-bit length and that many bytes.
    #[inline]
    pub fn block(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let len = self.u32(what)?;
        self.take(len as usize, what)
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Fails unless everything has been read.
    pub fn end(&self, what: &'static str) -> Result<(), WireError> {
        match self.left() {
            0 => Ok(()),
            n => Err(WireError::new(self.at, format!("{what} is followed by {n} bytes that belong to nothing"))),
        }
    }

    /// A count of things that take at least `least` bytes each: one that cannot be true is refused before anything is reserved.
    pub fn count(&mut self, least: usize, what: &'static str) -> Result<usize, WireError> {
        let at = self.at;
        let count = self.u32(what)? as usize;
        if count > self.left() / least.max(1) {
            return Err(WireError::new(at, format!("{what} says {count}, and {} bytes are left", self.left())));
        }
        Ok(count)
    }
}

/// The next block of `reader`, as a part of `whole`, which `reader` reads.
pub(crate) fn shared_block(whole: &Bytes, reader: &mut Reader<'_>, what: &'static str) -> Result<Bytes, WireError> {
    let len = reader.u32(what)? as usize;
    let start = reader.at();
    reader.take(len, what)?;
    Ok(whole.slice(start..start + len))
}

/// Writing side: integers and blocks appended to a vector.
pub trait Put {
    /// Appends one byte.
    fn put_u8(&mut self, value: u8);
    /// Appends two bytes.
    fn put_u16(&mut self, value: u16);
    /// Appends four bytes.
    fn put_u32(&mut self, value: u32);
    /// Appends eight bytes.
    fn put_u64(&mut self, value: u64);
    /// Appends sixteen bytes.
    fn put_u128(&mut self, value: u128);
    /// Appends a 32-bit length and the bytes.
    fn put_block(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
    #[inline]
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    #[inline]
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    #[inline]
    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    #[inline]
    fn put_u128(&mut self, value: u128) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    #[inline]
    fn put_block(&mut self, bytes: &[u8]) {
        // Limits keep everything that is encoded far below 4 GiB.
        self.put_u32(bytes.len() as u32);
        self.extend_from_slice(bytes);
    }
}
