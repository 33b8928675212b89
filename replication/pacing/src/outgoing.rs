//! This node's inputs: numbered, sent, sent again, forgotten once applied. Pure.
//!
//! ```text
//!  offer ──> open ── take ──> sent ── applied ──> forgotten
//!            (no numbers yet)  │  ^
//!                       rewind v  │ take
//!                             waiting
//! ```
//!
//! Inputs are encoded when they are offered and stay bytes from then on: a [`Parcel`] is a section of a batch in its
//! canonical encoding, so that it can be sent, sent again, and put into a batch without being touched.

use borsh::BorshSerialize;
use bytes::Bytes;
use replicode_log::{Batch, BootNo, Input, NodeId, Section, codec};
use std::collections::VecDeque;

/// Bytes of an encoded section before its inputs: origin, boot, first sequence number, count.
const SECTION_HEAD: usize = 1 + 4 + 8 + 4;
/// Heaviest input that any batch can carry.
const MAX_INPUT: usize = Batch::MAX_ENCODED - 1024;

/// Consecutive inputs of one node, as an encoded [`Section`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Sequence number of the first input.
    pub first_seq: u64,
    /// Number of inputs.
    pub count: u32,
    /// The encoded section.
    pub bytes: Bytes,
}

impl Parcel {
    /// Checks what a peer claims to be a section of its own inputs.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_peer(from: NodeId, bytes: Bytes) -> Result<Self, String> {
        let section: Section =
            codec::decode("section", &bytes, Batch::MAX_ENCODED - 512).map_err(|error| error.to_string())?;
        if section.origin != from {
            return Err(format!("a section of {} came from {from}", section.origin));
        }
        let count = u32::try_from(section.inputs.len()).map_err(|error| error.to_string())?;
        Ok(Self { first_seq: section.first_seq, count, bytes })
    }

    /// The sequence number after the last input.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.first_seq.saturating_add(self.count as u64)
    }
}

/// Names the oldest input that was sent and is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The boot in which it is numbered; 0 for the request of a boot number.
    pub boot: BootNo,
    /// Its sequence number.
    pub first_seq: u64,
}

/// Inputs that have no numbers yet, behind room for a section's head.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    count: u32,
}

/// The inputs of one node. See the module for their way.
#[derive(Debug)]
pub struct Outgoing {
    node: NodeId,
    /// The boot in which inputs are numbered; 0 while none is granted.
    boot: BootNo,
    /// The request for a boot number, until it is granted, and whether it has been sent.
    asking: Option<(Parcel, bool)>,
    next_seq: u64,
    open: VecDeque<Chunk>,
    waiting: VecDeque<Parcel>,
    sent: VecDeque<Parcel>,
    bytes: usize,
    /// Bytes of inputs that have no numbers yet.
    fresh: usize,
    /// So many fresh bytes are worth somebody's being woken.
    wake_above: usize,
    offered: u64,
    max_inputs: usize,
    max_bytes: usize,
}

impl Outgoing {
    /// Nothing to send. Parcels will have at most `max_inputs` inputs, and `max_bytes` bytes unless one input alone has
    /// more.
    #[must_use]
    pub fn new(node: NodeId, max_inputs: usize, max_bytes: usize) -> Self {
        Self {
            node,
            boot: BootNo(0),
            asking: None,
            next_seq: 1,
            open: VecDeque::new(),
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            bytes: 0,
            fresh: 0,
            wake_above: 1,
            offered: 0,
            max_inputs,
            max_bytes,
        }
    }

    /// Takes inputs over, in order. Answers how many were refused because no batch could carry them.
    pub fn offer(&mut self, inputs: &mut Vec<Input>) -> usize {
        let mut refused = 0;
        for input in inputs.drain(..) {
            let weight = input.weight();
            if weight > MAX_INPUT {
                refused += 1;
                continue;
            }
            let fits = |chunk: &&mut Chunk| {
                (chunk.count as usize) < self.max_inputs && chunk.bytes.len() + weight <= self.max_bytes
            };
            let chunk = match self.open.back_mut().filter(fits) {
                Some(chunk) => chunk,
                None => {
                    let mut bytes = Vec::with_capacity(SECTION_HEAD + weight.max(1024));
                    bytes.resize(SECTION_HEAD, 0);
                    self.open.push_back(Chunk { bytes, count: 0 });
                    let Some(chunk) = self.open.back_mut() else { continue };
                    chunk
                }
            };
            let before = chunk.bytes.len();
            // Writing into memory does not fail.
            let _ = input.serialize(&mut chunk.bytes);
            chunk.count += 1;
            self.bytes += chunk.bytes.len() - before;
            self.fresh += chunk.bytes.len() - before;
            self.offered += 1;
        }
        refused
    }

    /// Whoever sends has taken all there was and has no use for more until `bytes` have gathered. Answers whether so many
    /// have.
    pub const fn wake_above(&mut self, bytes: usize) -> bool {
        self.wake_above = bytes;
        self.is_wanted()
    }

    /// Whether what has gathered is worth sending, and can be sent.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.boot.0 != 0 && self.asking.is_none() && self.fresh >= self.wake_above
    }

    /// Asks for a boot number. What an earlier boot had to say is dropped.
    pub fn ask_boot(&mut self, nonce: u64) {
        let section = Section { origin: self.node, boot: BootNo(0), first_seq: 1, inputs: vec![Input::Boot { nonce }] };
        let parcel = Parcel { first_seq: 1, count: 1, bytes: codec::encode(&section).into() };
        self.clear();
        self.boot = BootNo(0);
        self.asking = Some((parcel, false));
    }

    /// The boot number is granted; numbering starts at 1.
    pub fn booted(&mut self, boot: BootNo) {
        if boot != self.boot {
            self.boot = boot;
            self.asking = None;
            self.next_seq = 1;
            self.bytes -=
                self.waiting.drain(..).chain(self.sent.drain(..)).map(|parcel| payload(&parcel)).sum::<usize>();
        }
    }

    fn clear(&mut self) {
        self.open.clear();
        self.waiting.clear();
        self.sent.clear();
        self.bytes = 0;
        self.fresh = 0;
    }

    /// The next parcel to send.
    pub fn take(&mut self) -> Option<Parcel> {
        if let Some((parcel, sent)) = &mut self.asking {
            let first = !std::mem::replace(sent, true);
            return first.then(|| parcel.clone());
        }
        if self.boot == BootNo(0) {
            return None;
        }
        let parcel = match self.waiting.pop_front() {
            Some(parcel) => parcel,
            None => self.cut()?,
        };
        self.sent.push_back(parcel.clone());
        Some(parcel)
    }

    /// Numbers a chunk.
    fn cut(&mut self) -> Option<Parcel> {
        let Chunk { mut bytes, count } = self.open.pop_front()?;
        self.fresh -= bytes.len() - SECTION_HEAD;
        bytes[0] = self.node.get() as u8;
        bytes[1..5].copy_from_slice(&self.boot.0.to_le_bytes());
        bytes[5..13].copy_from_slice(&self.next_seq.to_le_bytes());
        bytes[13..17].copy_from_slice(&count.to_le_bytes());
        let parcel = Parcel { first_seq: self.next_seq, count, bytes: bytes.into() };
        self.next_seq = parcel.end();
        Some(parcel)
    }

    /// What was sent may be lost: all of it that is not applied will be sent again.
    pub fn rewind(&mut self) {
        while let Some(parcel) = self.sent.pop_back() {
            self.waiting.push_front(parcel);
        }
        if let Some((_, sent)) = &mut self.asking {
            *sent = false;
        }
    }

    /// The machine expects `next_seq` next: everything before is done.
    pub fn applied(&mut self, next_seq: u64) {
        for queue in [&mut self.sent, &mut self.waiting] {
            while let Some(parcel) = queue.pop_front_if(|parcel| parcel.end() <= next_seq) {
                self.bytes -= payload(&parcel);
            }
        }
    }

    /// The oldest input that was sent and is not applied; `None` while none is.
    #[must_use]
    pub fn awaited(&self) -> Option<Awaited> {
        let first_seq = match &self.asking {
            Some((parcel, sent)) => sent.then_some(parcel.first_seq),
            None => self.sent.front().map(|parcel| parcel.first_seq),
        };
        first_seq.map(|first_seq| Awaited { boot: self.boot, first_seq })
    }

    /// The current boot; 0 while none is granted.
    #[must_use]
    pub const fn boot(&self) -> BootNo {
        self.boot
    }

    /// Bytes of inputs not yet applied.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Inputs offered so far.
    #[must_use]
    pub const fn offered(&self) -> u64 {
        self.offered
    }
}

fn payload(parcel: &Parcel) -> usize {
    parcel.bytes.len() - SECTION_HEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{ConnId, Pid};

    fn node() -> NodeId {
        NodeId::new(3).unwrap_or_else(|_| unreachable!("3 is a node number"))
    }

    fn data(byte: u8) -> Input {
        Input::Data { conn: ConnId::console(Pid(1)), offset: byte.into(), bytes: vec![byte; 4] }
    }

    fn sections(outgoing: &mut Outgoing) -> Vec<Section> {
        let mut all = Vec::new();
        while let Some(parcel) = outgoing.take() {
            let section: Section = codec::decode("section", &parcel.bytes, 1 << 20)
                .unwrap_or_else(|error| unreachable!("a parcel is a section: {error}"));
            assert_eq!((section.first_seq, section.inputs.len()), (parcel.first_seq, parcel.count as usize));
            assert_eq!(codec::encode(&section), parcel.bytes.to_vec(), "the encoding is canonical");
            all.push(section);
        }
        all
    }

    fn numbers(sections: &[Section]) -> Vec<(u32, u64, usize)> {
        sections.iter().map(|section| (section.boot.0, section.first_seq, section.inputs.len())).collect()
    }

    #[test]
    fn inputs_wait_for_the_boot_and_are_numbered_from_one() {
        let mut outgoing = Outgoing::new(node(), 2, 1000);
        outgoing.ask_boot(7);
        outgoing.offer(&mut vec![data(0), data(1), data(2)]);
        let asked = sections(&mut outgoing);
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].boot, &asked[0].inputs[..]), (BootNo(0), &[Input::Boot { nonce: 7 }][..]));
        outgoing.booted(BootNo(5));
        assert_eq!(numbers(&sections(&mut outgoing)), [(5, 1, 2), (5, 3, 1)]);
    }

    #[test]
    fn what_is_not_applied_is_sent_again() {
        let mut outgoing = Outgoing::new(node(), 2, 1000);
        outgoing.booted(BootNo(1));
        outgoing.offer(&mut (0..5).map(data).collect());
        assert_eq!(numbers(&sections(&mut outgoing)), [(1, 1, 2), (1, 3, 2), (1, 5, 1)]);
        let awaited = |first_seq| Some(Awaited { boot: BootNo(1), first_seq });
        assert_eq!(outgoing.awaited(), awaited(1));
        outgoing.applied(4);
        assert_eq!(outgoing.awaited(), awaited(3), "half of it is");
        outgoing.rewind();
        assert_eq!(outgoing.awaited(), None);
        outgoing.offer(&mut vec![data(9)]);
        assert_eq!(numbers(&sections(&mut outgoing)), [(1, 3, 2), (1, 5, 1), (1, 6, 1)]);
        outgoing.rewind();
        outgoing.applied(7);
        assert_eq!((numbers(&sections(&mut outgoing)), outgoing.bytes()), (vec![], 0));
    }

    #[test]
    fn nobody_is_woken_for_less_than_is_wanted() {
        let mut outgoing = Outgoing::new(node(), 9, 1000);
        outgoing.booted(BootNo(1));
        assert!(!outgoing.is_wanted(), "there is nothing");
        outgoing.offer(&mut vec![data(0)]);
        assert!(outgoing.is_wanted());
        let one = outgoing.bytes();
        sections(&mut outgoing);
        assert!(!outgoing.wake_above(3 * one));
        outgoing.offer(&mut vec![data(1), data(2)]);
        assert!(!outgoing.is_wanted());
        outgoing.offer(&mut vec![data(3)]);
        assert!(outgoing.is_wanted());
        assert!(!outgoing.wake_above(4 * one) && outgoing.wake_above(3 * one));
        sections(&mut outgoing);
        assert!(!outgoing.wake_above(1));
        outgoing.ask_boot(1);
        outgoing.offer(&mut vec![data(4)]);
        assert!(!outgoing.is_wanted(), "it has no number before the boot");
        outgoing.booted(BootNo(2));
        assert!(outgoing.is_wanted());
    }

    #[test]
    fn the_boot_request_is_sent_again_too_and_drops_the_past() {
        let mut outgoing = Outgoing::new(node(), 9, 1000);
        outgoing.booted(BootNo(1));
        outgoing.offer(&mut vec![data(0)]);
        sections(&mut outgoing);
        outgoing.ask_boot(8);
        assert_eq!(numbers(&sections(&mut outgoing)), [(0, 1, 1)]);
        assert_eq!(numbers(&sections(&mut outgoing)), []);
        outgoing.rewind();
        assert_eq!(numbers(&sections(&mut outgoing)), [(0, 1, 1)]);
        outgoing.booted(BootNo(2));
        outgoing.rewind();
        assert_eq!((numbers(&sections(&mut outgoing)), outgoing.bytes()), (vec![], 0));
    }

    #[test]
    fn caps_hold_but_a_heavy_input_goes_alone() {
        let mut outgoing = Outgoing::new(node(), 100, 200);
        outgoing.booted(BootNo(1));
        let heavy = Input::Data { conn: ConnId::console(Pid(1)), offset: 0, bytes: vec![0; 500] };
        let impossible = Input::Data { conn: ConnId::console(Pid(1)), offset: 0, bytes: vec![0; MAX_INPUT] };
        assert_eq!(outgoing.offer(&mut vec![data(1), heavy, impossible, data(2)]), 1);
        assert_eq!(numbers(&sections(&mut outgoing)), [(1, 1, 1), (1, 2, 1), (1, 3, 1)]);
    }

    #[test]
    fn a_peer_speaks_for_itself_only() {
        let mut outgoing = Outgoing::new(node(), 9, 1000);
        outgoing.booted(BootNo(1));
        outgoing.offer(&mut vec![data(0)]);
        let Some(parcel) = outgoing.take() else { unreachable!("there is one") };
        assert_eq!(Parcel::from_peer(node(), parcel.bytes.clone()), Ok(parcel.clone()));
        let other = NodeId::new(4).unwrap_or_else(|_| unreachable!("4 is a node number"));
        assert!(Parcel::from_peer(other, parcel.bytes.clone()).is_err());
        assert!(Parcel::from_peer(node(), parcel.bytes.slice(1..)).is_err());
    }
}
