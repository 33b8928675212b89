//! The container: a magic number, a version, and sections in ascending order, each with its number and its length.
//!
//! ```text
//! "rtpl" | version u16 | sections u16 | section …        section = number u16 | length u32 | content
//! ```
//!
//! A section whose number has its top bit set is optional: who does not know it skips it. An unknown section without
//! that bit is refused, because it may change what the template means.

use std::fmt;

/// What a container begins with.
pub const MAGIC: &[u8; 4] = b"rtpl";
/// The version that this code reads and writes.
pub const VERSION: u16 = 1;
/// Complaints that are kept; the others are counted.
pub const MAX_COMPLAINTS: usize = 100;

const HEADER: usize = 8;
const SECTION_HEADER: usize = 6;
const OPTIONAL: u16 = 0x8000;

/// The sections that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum SectionId {
    /// Kind, name, version, host interface.
    Header = 1,
    /// The wasm module.
    Code = 2,
    /// Where the slices of storage lie.
    Layout = 3,
    /// Functions that may be the first to run in an account.
    Constructors = 4,
    /// The document.
    Abi = 5,
    /// How many registers of each width.
    Registers = 6,
    /// Names and hashes of libraries.
    Libraries = 7,
    /// Metered, or fixed with proven prices.
    Class = 8,
    /// Bytes of the module's memory.
    Memory = 9,
}

impl SectionId {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::Header,
        Self::Code,
        Self::Layout,
        Self::Constructors,
        Self::Abi,
        Self::Registers,
        Self::Libraries,
        Self::Class,
        Self::Memory,
    ];

    /// Whether a template without it is none.
    #[must_use]
    pub fn is_required(self) -> bool {
        matches!(self, Self::Header | Self::Code | Self::Abi)
    }
}

impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Code => "code",
            Self::Layout => "data layout",
            Self::Constructors => "constructors",
            Self::Abi => "abi",
            Self::Registers => "registers",
            Self::Libraries => "libraries",
            Self::Class => "class",
            Self::Memory => "memory",
        })
    }
}

/// Something wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {offset}: {why}", .section.as_deref().unwrap_or("template"))]
pub struct Complaint {
    /// The section; none for the container itself.
    pub section: Option<String>,
    /// Byte of the container at which it was noticed.
    pub offset: usize,
    /// What is wrong.
    pub why: String,
}

/// Everything that is wrong with a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints {
    /// The first [`MAX_COMPLAINTS`], in the order in which they were noticed.
    pub list: Vec<Complaint>,
    /// How many more there were.
    pub more: usize,
}

impl Complaints {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn push(&mut self, section: Option<SectionId>, offset: usize, why: impl Into<String>) {
        if self.list.len() < MAX_COMPLAINTS {
            self.list.push(Complaint { section: section.map(|id| id.to_string()), offset, why: why.into() });
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, complaint) in self.list.iter().enumerate() {
            write!(f, "{}{complaint}", if i == 0 { "" } else { "\n" })?;
        }
        if self.more > 0 { write!(f, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Complaints {}

/// A section as it lies in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Which one.
    pub id: SectionId,
    /// Byte of the container at which its content begins.
    pub offset: usize,
    /// Its content.
    pub content: &'a [u8],
}

/// Splits a container into the sections that this version knows. What can be read is given also when something is
/// wrong, so that its content can be complained about at the same time.
pub fn split<'a>(bytes: &'a [u8], max: usize, complaints: &mut Complaints) -> Vec<Section<'a>> {
    if bytes.len() > max {
        complaints.push(None, max, format!("{} bytes, more than the {max} allowed", bytes.len()));
        return Vec::new();
    }
    let Some((header, _)) = bytes.split_at_checked(HEADER).filter(|(header, _)| header.starts_with(MAGIC)) else {
        complaints.push(None, 0, "it does not begin with \"rtpl\", a version and a count: this is no template");
        return Vec::new();
    };
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    if half(4) != VERSION {
        complaints.push(None, 4, format!("version {}, and this node reads version {VERSION}", half(4)));
        return Vec::new();
    }
    let (count, mut offset, mut last) = (half(6), HEADER, None);
    let mut sections = Vec::new();
    for number in 0..count {
        let Some((id, content)) = next(bytes, offset) else {
            complaints.push(None, offset, format!("section {} of {count} does not fit into the bytes", number + 1));
            return sections;
        };
        if last.is_some_and(|last| last >= id) {
            complaints.push(None, offset, format!("section {id} is not above the one before: they ascend, each once"));
        }
        last = last.max(Some(id));
        let start = offset + SECTION_HEADER;
        match SectionId::ALL.into_iter().find(|known| *known as u16 == id) {
            Some(id) if sections.iter().all(|s: &Section<'_>| s.id != id) => {
                sections.push(Section { id, offset: start, content });
            }
            Some(_) => {}
            None if id & OPTIONAL != 0 => {}
            None => complaints.push(None, offset, format!("section {id} is required, and this node does not know it")),
        }
        offset = start + content.len();
    }
    if offset < bytes.len() {
        complaints.push(None, offset, format!("{} bytes behind the last section", bytes.len() - offset));
    }
    for id in SectionId::ALL.into_iter().filter(|id| id.is_required()) {
        if sections.iter().all(|section| section.id != id) {
            complaints.push(None, bytes.len(), format!("there is no section {} ({id})", id as u16));
        }
    }
    sections
}

fn next(bytes: &[u8], offset: usize) -> Option<(u16, &[u8])> {
    let (header, rest) = bytes.get(offset..)?.split_at_checked(SECTION_HEADER)?;
    let length = u32::from_le_bytes([header[2], header[3], header[4], header[5]]);
    Some((u16::from_le_bytes([header[0], header[1]]), rest.get(..usize::try_from(length).ok()?)?))
}

/// Puts sections into a container. They are written in the order given; numbers and lengths are the caller's.
#[must_use]
pub fn join(sections: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    // Who writes more has written something that nobody reads back.
    bytes.extend_from_slice(&u16::try_from(sections.len()).unwrap_or(u16::MAX).to_le_bytes());
    for (id, content) in sections {
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(content);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<(u16, Vec<u8>)>, Vec<String>) {
        let mut complaints = Complaints::default();
        let sections = split(bytes, 4096, &mut complaints);
        for section in &sections {
            let end = section.offset + section.content.len();
            assert_eq!(&bytes[section.offset..end], section.content);
        }
        let sections = sections.iter().map(|s| (s.id as u16, s.content.to_vec())).collect();
        (sections, complaints.list.iter().map(ToString::to_string).collect())
    }

    fn required() -> Vec<(u16, Vec<u8>)> {
        vec![(1, vec![1]), (2, vec![]), (5, vec![5; 5])]
    }

    #[test]
    fn sections_read_back_and_unknown_optional_ones_are_skipped() {
        assert_eq!(read(&join(&required())), (required(), vec![]));
        let mut more = required();
        more.push((0x8001, vec![9; 100]));
        more.push((0xffff, vec![]));
        assert_eq!(read(&join(&more)), (required(), vec![]));
    }

    #[test]
    fn an_unknown_required_section_is_refused() {
        let mut more = required();
        more.push((10, vec![1]));
        let said = read(&join(&more)).1;
        assert_eq!(said, ["template at byte 32: section 10 is required, and this node does not know it"]);
    }

    #[test]
    fn every_complaint_comes_at_once_with_its_place() {
        let mut bytes = join(&[(2, vec![]), (1, vec![]), (1, vec![7]), (10, vec![])]);
        bytes.push(0);
        assert_eq!(
            read(&bytes).1,
            [
                "template at byte 14: section 1 is not above the one before: they ascend, each once",
                "template at byte 20: section 1 is not above the one before: they ascend, each once",
                "template at byte 27: section 10 is required, and this node does not know it",
                "template at byte 33: 1 bytes behind the last section",
                "template at byte 34: there is no section 5 (abi)",
            ]
        );
    }

    #[test]
    fn what_is_cut_off_is_noticed_wherever_it_is_cut() {
        let bytes = join(&required());
        for len in 0..bytes.len() {
            assert!(!read(&bytes[..len]).1.is_empty(), "cut to {len}");
        }
        assert_eq!(read(b"\0asm\x01\0\0\0").1.len(), 1);
        let mut other = bytes.clone();
        other[4] = 2;
        assert_eq!(read(&other).1, ["template at byte 4: version 2, and this node reads version 1"]);
        assert_eq!(read(&vec![0; 4097]).1, ["template at byte 4096: 4097 bytes, more than the 4096 allowed"]);
    }

    #[test]
    fn complaints_are_bounded() {
        let many: Vec<(u16, Vec<u8>)> = (0..300).map(|_| (10, vec![])).collect();
        let mut complaints = Complaints::default();
        split(&join(&many), 4096, &mut complaints);
        assert_eq!((complaints.list.len(), complaints.more), (100, 300 + 299 + 3 - 100));
        assert!(complaints.to_string().ends_with("and 502 more"));
    }
}
