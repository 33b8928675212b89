//! Protobuf written from its end to its beginning: a message's length is known when its turn comes, so nothing is measured first and
//! nothing is moved.

/// Bytes that grow at their front.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// Where what is written begins.
    at: usize,
}

/// The kinds of fields that are used, as protobuf numbers them.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

impl Writer {
    /// A writer with room for about `room` bytes.
    pub fn new(room: usize) -> Self {
        let room = room.max(64);
        Writer { bytes: vec![0; room], at: room }
    }

    /// What was written.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.drain(..self.at);
        self.bytes
    }

    fn put(&mut self, part: &[u8]) {
        if part.len() > self.at {
            let used = self.bytes.len() - self.at;
            let room = (2 * used).max(part.len() + 64);
            let mut grown = vec![0; room + used];
            grown[room..].copy_from_slice(&self.bytes[self.at..]);
            self.bytes = grown;
            self.at = room;
        }
        let start = self.at - part.len();
        self.bytes[start..self.at].copy_from_slice(part);
        self.at = start;
    }

    fn varint(&mut self, mut value: u64) {
        let mut part = [0u8; 10];
        let mut len = 0;
        loop {
            let rest = value >> 7;
            part[len] = (value & 0x7f) as u8 | if rest > 0 { 0x80 } else { 0 };
            len += 1;
            value = rest;
            if rest == 0 {
                break;
            }
        }
        self.put(&part[..len]);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    /// A number; zero is left out, as proto3 has it.
    pub fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.varint(value);
            self.tag(field, VARINT);
        }
    }

    /// A number of eight bytes; zero is left out.
    pub fn fixed(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.put(&value.to_le_bytes());
            self.tag(field, FIXED64);
        }
    }

    /// Bytes; empty ones are left out unless they are an item of a list.
    pub fn bytes(&mut self, field: u32, bytes: &[u8], item: bool) {
        if item || !bytes.is_empty() {
            self.put(bytes);
            self.varint(bytes.len() as u64);
            self.tag(field, LENGTH);
        }
    }

    /// A message in a field: `body` writes its fields, the last one first.
    pub fn message(&mut self, field: u32, body: impl FnOnce(&mut Writer)) {
        let end = self.bytes.len() - self.at;
        body(self);
        let len = self.bytes.len() - self.at - end;
        self.varint(len as u64);
        self.tag(field, LENGTH);
    }
}
