//! Templates: round trips, every complaint with its place, hostile bytes.

use super::*;
use crate::abi::tests_support::token;
use crate::template::layout::SliceSpec;
use proptest::prelude::*;

fn slice(kind: SliceKind, offset: u16, length: u16) -> SliceSpec {
    SliceSpec { kind, page: 0, offset, length }
}

fn template() -> Template {
    Template {
        header: Header {
            kind: Kind::Contract,
            interface: HOST_INTERFACE,
            name: "token".into(),
            version: "1.0.0".into(),
        },
        code: b"\0asm\x01\0\0\0".to_vec(),
        layout: Layout {
            page_size: 4096,
            slices: vec![
                slice(SliceKind::Bytes, 0, 16),
                slice(SliceKind::Map, 16, 32),
                slice(SliceKind::Bytes, 48, 21),
            ],
        },
        constructors: vec!["new".into()],
        abi: token(),
        registers: Shape { counts: [1, 2, 3, 4, 5] },
        libraries: vec![LibraryPin { name: "mathlib".into(), hash: Hash::new([7; 32]) }],
        class: Class::Metered,
        memory: 16 << 10,
    }
}

fn said(template: &Template) -> Vec<String> {
    match Template::decode(&template.encode(), &Limits::STANDARD) {
        Ok(_) => Vec::new(),
        Err(complaints) => complaints.list.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_template_reads_back() {
    let full = template();
    assert_eq!(Template::decode(&full.encode(), &Limits::STANDARD), Ok(full.clone()));
    let least = Template {
        layout: Layout::empty(4096),
        constructors: vec![],
        abi: Abi { storage: vec![], functions: vec![], ..token() },
        registers: Shape::STANDARD,
        libraries: vec![],
        memory: STANDARD_MEMORY,
        ..full
    };
    assert_eq!(Template::decode(&least.encode(), &Limits::STANDARD), Ok(least));
}

#[test]
fn sections_that_are_left_out_say_nothing_unusual() {
    let sections = [
        (1, super::encode(&template().header)),
        (2, template().code),
        (5, Abi { storage: vec![], ..token() }.to_json()),
    ];
    let read = Template::decode(&join(&sections), &Limits::STANDARD).expect("the required ones are there");
    assert_eq!(read.registers, Shape::STANDARD);
    assert_eq!(read.class, Class::Metered);
    assert_eq!(read.memory, 64 << 10);
    assert_eq!(read.layout, Layout::empty(4096));
}

#[test]
fn every_complaint_comes_at_once_with_section_and_offset() {
    let mut wrong = template();
    wrong.header.interface = 2;
    wrong.code = b"\x7fELF".to_vec();
    wrong.layout.slices[2].offset = 40;
    wrong.constructors = vec!["transfer".into(), "transfer".into()];
    wrong.registers.counts[0] = 65;
    wrong.libraries.push(LibraryPin { name: "mathlib".into(), hash: Hash::ZERO });
    wrong.class = Class::Fixed(vec![FixedPrice { function: "burn".into(), gas: 1 }]);
    assert_eq!(
        said(&wrong),
        [
            "code at byte 41: it is no wasm module: it does not begin with \"\\0asm\" and version 1",
            "header at byte 14: built for host interface 2, and this node has 1",
            "data layout at byte 77: slice 2 overlaps slice 1 on page 0",
            "registers at byte 1125: 65 registers of 32 bits, more than the 64 allowed",
            "libraries at byte 1136: mathlib is pinned twice",
            "constructors at byte 92: \"transfer\" is no function of kind init in the document",
            "constructors at byte 92: \"transfer\" is no function of kind init in the document",
            "constructors at byte 92: \"transfer\" is named twice",
            "class at byte 1232: there is no price for new",
            "class at byte 1232: there is no price for transfer",
            "class at byte 1232: there is no price for balance_of",
            "class at byte 1232: a price for \"burn\", which is no function",
        ]
    );
}

#[test]
fn variables_and_slices_have_to_agree() {
    let mut wrong = template();
    wrong.layout.slices[0].length = 15;
    wrong.layout.slices[1] = slice(SliceKind::Set, 16, 32);
    wrong.layout.slices.pop();
    let said = said(&wrong);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].ends_with("variable supply has 16 bytes, and its slice has 15"), "{said:?}");
    assert!(said[1].ends_with("variable balances is map<address, counter>, and its slice is of kind Set"), "{said:?}");
    assert!(said[2].ends_with("variable owner is slice 2, and there are 2"), "{said:?}");
}

#[test]
fn prices_of_the_fixed_class_are_those_of_the_document() {
    let mut fixed = template();
    let prices = |gas: u64| {
        let price = |f: &crate::abi::Function| FixedPrice { function: f.name.clone(), gas };
        Class::Fixed(token().functions.iter().map(price).collect())
    };
    fixed.abi.functions[1].gas = Some(100);
    fixed.class = prices(100);
    assert_eq!(said(&fixed), Vec::<String>::new());
    assert_eq!(fixed.fixed_gas("transfer"), Some(100));
    assert_eq!(template().fixed_gas("transfer"), None);
    fixed.class = prices(99);
    let said = said(&fixed);
    assert_eq!(said.len(), 1);
    assert!(said[0].ends_with("transfer burns 99, and the document says 100"), "{said:?}");
}

#[test]
fn libraries_have_no_account() {
    let mut library = template();
    library.header.kind = Kind::Library;
    library.constructors.clear();
    assert!(said(&library)[0].starts_with("header at byte 14: a library has neither"));
}

#[test]
fn limits_hold_at_the_limit() {
    let exact = template();
    let bytes = exact.encode();
    let decode = |limits: &Limits| Template::decode(&bytes, limits).map(|_| ()).map_err(|c| c.to_string());
    let at = Limits { bytes: bytes.len(), code: 8, slices: 3, pages: 1, libraries: 1, page_size: 4096 };
    assert_eq!(decode(&at), Ok(()));
    for (below, why) in [
        (Limits { bytes: bytes.len() - 1, ..at }, "bytes, more than"),
        (Limits { code: 7, ..at }, "8 bytes, more than the 7 allowed"),
        (Limits { slices: 2, ..at }, "3 slices, more than the 2 allowed"),
        (Limits { pages: 0, ..at }, "lies on page 0, and contracts have 0 pages"),
        (Limits { libraries: 0, ..at }, "1 libraries, more than the 0 allowed"),
        (Limits { page_size: 2048, ..at }, "pages of 4096 bytes; those of this cell have 2048"),
    ] {
        let said = decode(&below).expect_err(why);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    let bytes = template().encode();
    let key = blake3::hash(b"replicode contracts 1: code");
    let expected = blake3::keyed_hash(key.as_bytes(), &bytes);
    assert_eq!(Template::hash_of(&bytes).as_bytes(), expected.as_bytes());
}

proptest! {
    #[test]
    fn any_bytes_are_a_template_or_complaints(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Template::decode(&bytes, &Limits::STANDARD).is_err());
    }

    /// Mutations of a good one reach deeper: whatever is accepted reads back from what it encodes to.
    #[test]
    fn a_damaged_template_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        shorten: bool,
    ) {
        let mut bytes = template().encode();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(read) = Template::decode(&bytes, &Limits::STANDARD) {
            prop_assert_eq!(Template::decode(&read.encode(), &Limits::STANDARD), Ok(read));
        }
    }

    /// Counts that promise more than there is: refused before anything of that size is made.
    #[test]
    fn counts_do_not_allocate(count in 1000u32.., section in prop::sample::select(vec![3u16, 4, 7, 8])) {
        let mut content = if section == 3 { 4096u32.to_le_bytes().to_vec() } else { vec![] };
        if section == 8 {
            content.push(1);
        }
        content.extend_from_slice(&count.to_le_bytes());
        let good = template();
        let mut sections =
            vec![(1, super::encode(&good.header)), (2, good.code), (5, Abi { storage: vec![], ..token() }.to_json())];
        sections.push((section, content));
        sections.sort();
        prop_assert!(Template::decode(&join(&sections), &Limits::STANDARD).is_err());
    }
}
