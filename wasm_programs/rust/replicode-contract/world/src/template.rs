//! A template as a node would be given it, around a module that is empty: its code is native.

use replicode_contract::Contract;
use replicode_contracts::abi::{Abi, FunctionKind, StorageType};
use replicode_contracts::template::{Layout, SliceKind};

/// Bytes of a page.
const PAGE: u32 = 4096;

fn kind(ty: &StorageType) -> SliceKind {
    match ty {
        StorageType::Value(_) => SliceKind::Bytes,
        StorageType::Counter => SliceKind::Counter,
        StorageType::List(_) => SliceKind::List,
        StorageType::Map(..) => SliceKind::Map,
        StorageType::Set(_) => SliceKind::Set,
        StorageType::SortedSet(_) => SliceKind::SortedSet,
    }
}

fn borsh<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).unwrap_or_else(|error| panic!("into memory: {error}"))
}

/// The container, section by section, as `docs/formats/contract-abi.md` draws it.
pub(crate) fn of<C: Contract>() -> Vec<u8> {
    let abi = Abi::parse(C::ABI.as_bytes())
        .unwrap_or_else(|wrong| panic!("the document of {} is wrong: {wrong:?}\n{}", C::NAME, C::ABI));
    let sizes = abi.storage.iter().map(|variable| {
        let len = abi.slice_len(&variable.ty);
        (kind(&variable.ty), len.unwrap_or_else(|| panic!("variable {} has no greatest length", variable.name)))
    });
    let layout = Layout::place(&sizes.collect::<Vec<_>>(), PAGE)
        .unwrap_or_else(|slice| panic!("the variable in slice {slice} does not fit a page"));
    let constructors = abi.functions.iter().filter(|function| function.kind == FunctionKind::Init);
    let constructors: Vec<String> = constructors.map(|function| function.name.clone()).collect();
    let sections: [(u16, Vec<u8>); 5] = [
        (1, borsh(&(0u8, 1u16, C::NAME, "test"))),
        (2, b"\0asm\x01\0\0\0".to_vec()),
        (3, borsh(&layout)),
        (4, borsh(&constructors)),
        (5, C::ABI.as_bytes().to_vec()),
    ];
    let mut bytes = b"rtpl".to_vec();
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&(sections.len() as u16).to_le_bytes());
    for (number, content) in sections {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&content);
    }
    bytes
}
