//! Custom sections of modules: read, left out, put in. Everything else of a module stays byte for byte.

use anyhow::{Context, Result};
use wasmparser::{Parser, Payload};

/// The custom sections, by name, in their order.
///
/// # Errors
/// When the bytes are no module.
pub fn custom(wasm: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload.context("not a wasm module")? {
            found.push((section.name().to_string(), section.data().to_vec()));
        }
    }
    Ok(found)
}

/// The module without the custom sections that `drop` names.
///
/// # Errors
/// When the bytes are no module.
pub fn without(wasm: &[u8], drop: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let (mut out, mut done) = (Vec::with_capacity(wasm.len()), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.context("not a wasm module")?;
        let (name, end) = match &payload {
            Payload::CustomSection(section) => (Some(section.name()), section.range().end),
            Payload::Version { range, .. } => (None, range.end),
            other => match other.as_section() {
                Some((_, range)) => (None, range.end),
                None => continue,
            },
        };
        // The parser gives the content; number and length before it are between the ends of two sections.
        if !name.is_some_and(&drop) {
            out.extend_from_slice(wasm.get(done..end).context("a section lies outside the module")?);
        }
        done = end;
    }
    Ok(out)
}

/// The module with one more custom section at its end.
pub fn with(wasm: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut content = leb(name.len());
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    [wasm, &[0], &leb(content.len()), &content].concat()
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module of one function that is exported.
    const SMALL: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x05\x01\x01f\0\0\x0a\x04\x01\x02\0\x0b";

    #[test]
    fn sections_come_and_go_and_nothing_else_changes() -> Result<()> {
        for length in [0, 1, 100, 127, 128, 20_000] {
            let data = vec![7; length];
            let two = with(&with(SMALL, "one", &data), "two", b"2");
            assert_eq!(custom(&two)?, [("one".to_string(), data.clone()), ("two".to_string(), b"2".to_vec())]);
            assert_eq!(without(&two, |name| name == "one")?, with(SMALL, "two", b"2"));
            assert_eq!(without(&two, |_| true)?, SMALL);
        }
        assert!(custom(b"\x7fELF").is_err());
        Ok(())
    }
}
