//! Protobuf read field by field. Fields that are not known are passed over, as protobuf asks for.

use paxos_types::{Bytes, WireError};

/// A field's content.
pub(crate) enum Value {
    /// A varint.
    Number(u64),
    /// Eight bytes.
    Fixed(u64),
    /// Bytes or a message.
    Bytes(Bytes),
    /// Four bytes: nothing of ours has them.
    Other,
}

impl Value {
    /// The number, or what is wrong with it.
    pub fn number(&self, what: &'static str) -> Result<u64, WireError> {
        match self {
            Value::Number(value) => Ok(*value),
            _ => Err(WireError::new(0, format!("{what} is no number"))),
        }
    }

    /// The number, in fewer bits.
    pub fn small<T: TryFrom<u64>>(&self, what: &'static str) -> Result<T, WireError> {
        let value = self.number(what)?;
        T::try_from(value).map_err(|_| WireError::new(0, format!("{what} is {value}, which is too large")))
    }

    /// The bytes.
    pub fn bytes(self, what: &'static str) -> Result<Bytes, WireError> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::new(0, format!("{what} is no bytes"))),
        }
    }
}

/// The fields of a message, in the order in which they lie there.
pub(crate) struct Fields {
    bytes: Bytes,
    at: usize,
}

impl Fields {
    /// The fields of the message that `bytes` are.
    pub fn new(bytes: Bytes) -> Self {
        Fields { bytes, at: 0 }
    }

    fn varint(&mut self, what: &'static str) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.bytes.get(self.at) else {
                return Err(WireError::new(self.at, format!("{what} is cut short")));
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::new(self.at, format!("{what} is longer than 64 bits")))
    }

    fn take(&mut self, len: u64, what: &'static str) -> Result<Bytes, WireError> {
        let left = (self.bytes.len() - self.at) as u64;
        if len > left {
            return Err(WireError::new(self.at, format!("{what} needs {len} bytes and {left} are left")));
        }
        let start = self.at;
        self.at += len as usize;
        Ok(self.bytes.slice(start..self.at))
    }

    /// The next field's number and content; none at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Value)>, WireError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint("a tag")?;
        let field = u32::try_from(tag >> 3).map_err(|_| WireError::new(self.at, "a field's number is too large"))?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint("a number")?),
            1 => {
                let bytes = self.take(8, "a number of eight bytes")?;
                let mut array = [0; 8];
                array.copy_from_slice(&bytes);
                Value::Fixed(u64::from_le_bytes(array))
            }
            2 => {
                let len = self.varint("a length")?;
                Value::Bytes(self.take(len, "a field")?)
            }
            5 => {
                self.take(4, "a number of four bytes")?;
                Value::Other
            }
            other => return Err(WireError::new(self.at, format!("a field of kind {other}, which is not in use"))),
        };
        Ok(Some((field, value)))
    }
}
