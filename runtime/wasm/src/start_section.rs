//! A module's start section, turned into an export.
//!
//! WebAssembly runs a start function while the instance is being made, when the host does not know the guest's memory
//! yet; a system call made there could not be answered. So the section is taken out at load and its function exported
//! under a name of ours; [`crate::guest`] calls it first, before `_start`. Nothing else about the module changes.
//!
//! ```text
//! module  = "\0asm" 1.0, sections      section = id u8, length LEB128, body
//! start   = id 8: function index       export  = id 7: count, then per export: name, kind u8, index
//! ```

/// Name of the export that stands for the start section.
pub const START_EXPORT: &str = "replicode:start-section";

const HEADER: usize = 8;
const EXPORTS: u8 = 7;
const START: u8 = 8;

/// The module with its start section exported; `None` when it has no start section, no exports, or cannot be walked
/// (the compiler then says what is wrong with it).
pub fn export_start(wasm: &[u8]) -> Option<Vec<u8>> {
    let start = sections(wasm)?.into_iter().find(|section| section.id == START)?;
    let mut rewritten = wasm.get(..HEADER)?.to_vec();
    let mut exported = false;
    for section in sections(wasm)? {
        match section.id {
            START => {}
            EXPORTS => {
                let (count, rest) = leb(section.body)?;
                let mut body = Vec::with_capacity(section.body.len() + START_EXPORT.len() + 8);
                put_leb(&mut body, count.checked_add(1)?);
                body.extend_from_slice(rest);
                put_leb(&mut body, u32::try_from(START_EXPORT.len()).ok()?);
                body.extend_from_slice(START_EXPORT.as_bytes());
                body.push(0);
                // The start section's body is the function's index, in the encoding that an export wants it in.
                body.extend_from_slice(start.body);
                rewritten.push(EXPORTS);
                put_leb(&mut rewritten, u32::try_from(body.len()).ok()?);
                rewritten.extend_from_slice(&body);
                exported = true;
            }
            _ => rewritten.extend_from_slice(section.whole),
        }
    }
    exported.then_some(rewritten)
}

struct Section<'a> {
    id: u8,
    body: &'a [u8],
    /// With id and length.
    whole: &'a [u8],
}

fn sections(wasm: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut rest = wasm.get(HEADER..)?;
    let mut sections = Vec::new();
    while let Some((&id, after_id)) = rest.split_first() {
        let (len, after_len) = leb(after_id)?;
        let body = after_len.get(..len as usize)?;
        let whole = &rest[..rest.len() - after_len.len() + body.len()];
        sections.push(Section { id, body, whole });
        rest = &after_len[body.len()..];
    }
    Some(sections)
}

/// An unsigned LEB128 number of up to 32 bits, and what follows it.
fn leb(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, &bytes[i + 1..]));
        }
    }
    None
}

fn put_leb(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_encoding() {
        for value in [0, 1, 127, 128, 300, u32::MAX] {
            let mut bytes = Vec::new();
            put_leb(&mut bytes, value);
            bytes.push(9);
            assert_eq!(leb(&bytes), Some((value, &[9][..])));
        }
        assert_eq!(leb(&[0x80; 6]), None);
        assert_eq!(leb(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None, "more than 32 bits");
    }

    #[test]
    fn bytes_that_are_no_module_are_left_alone() {
        assert_eq!(export_start(b""), None);
        assert_eq!(export_start(b"\0asm\x01\0\0\0"), None);
        assert_eq!(export_start(b"\0asm\x01\0\0\0\x08\x7f"), None, "a section longer than the file");
    }
}
