//! What a file is that is no core module, and which command makes one of what it was made from.

use crate::facts::BUILDERS;
use wasmparser::{Parser, Payload};

/// What bytes that are no WebAssembly are instead, with the way out.
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let native = |kind: &str| format!("it is {kind}. compile its sources with {BUILDERS}");
    if bytes.is_empty() {
        return "it is empty".to_string();
    }
    if begins(b"\x7fELF") {
        return native(match bytes.get(16) {
            Some(1) => "a native object file (ELF)",
            _ => "a native program (ELF)",
        });
    }
    let fat = begins(b"\xca\xfe\xba\xbe");
    if fat && bytes.get(4..8).is_some_and(|version| version[3] >= 44 && version[2] == 0) {
        return native("a Java class");
    }
    let mach: [&[u8]; 4] = [b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"];
    if fat || mach.iter().any(|magic| begins(magic)) {
        return native("a native program for macOS (Mach-O)");
    }
    if begins(b"MZ") {
        return native("a native program for Windows (PE)");
    }
    if begins(b"!<arch>\n") {
        return "it is a library of object files (ar): link it into a program with replicode-cc".to_string();
    }
    if begins(b"#!") {
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.get(..80).unwrap_or(line).escape_ascii();
        return format!(
            "it is a script (\"{line}\"), and replicode runs programs: build what it starts, or its interpreter, with \
             {BUILDERS}"
        );
    }
    if begins(b"\x1f\x8b") || begins(b"PK\x03\x04") || begins(b"\x28\xb5\x2f\xfd") || begins(b"\xfd7zXZ") {
        return "it is compressed: unpack it first".to_string();
    }
    let head = bytes.get(..64 << 10).unwrap_or(bytes);
    if let Some(text) = as_text(head) {
        if text.trim_start().starts_with("(module") || text.trim_start().starts_with("(component") {
            return "it is WebAssembly's text form: turn it into a module with wat2wasm, or 'wasm-tools parse'"
                .to_string();
        }
        let line = |found: fn(&str) -> bool| text.lines().map(str::trim_start).any(found);
        if line(|line| line.starts_with("#include") || line.starts_with("int main(") || line.starts_with("#define ")) {
            return "it is a source of C or C++: compile it with 'replicode-cc FILE.c -o FILE.wasm' (replicode-c++ for C++)"
                .to_string();
        }
        if line(|line| line.starts_with("fn main(") || line.starts_with("use std::")) {
            return "it is a source of Rust: compile it with 'cargo replicode build'".to_string();
        }
    }
    let begins = bytes.get(..8).unwrap_or(bytes).escape_ascii();
    format!("it begins with \"{begins}\", where \"\\0asm\" should stand. build the program with {BUILDERS}")
}

/// What a component is, and the command that builds a module instead.
#[must_use]
pub fn of_component(bytes: &[u8]) -> String {
    let mut interface: Option<String> = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        if let Payload::ComponentImportSection(imports) = payload {
            let names = imports.into_iter().map_while(Result::ok).map(|import| import.name.name.to_string());
            let mut names: Vec<_> = names.collect();
            // The interfaces of sockets and files say more than those of streams.
            names.sort_by_key(|name| (!name.starts_with("wasi:sockets/"), !name.starts_with("wasi:")));
            interface = interface.or_else(|| names.into_iter().next());
        }
    }
    let made = match interface {
        Some(name) if name.contains("@0.3") => format!(" for WASI preview 3 (it imports {name})"),
        Some(name) if name.starts_with("wasi:") => format!(" for WASI preview 2 (it imports {name})"),
        Some(name) => format!(" (it imports {name})"),
        None => String::new(),
    };
    format!(
        "this is a WebAssembly component{made}, and replicode runs core modules for WASI preview 1: build the program with \
         {BUILDERS}; with plain cargo, --target wasm32-wasip1 instead of wasm32-wasip2"
    )
}

/// The text that stands there, if it is text; its end may have been cut.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_called_by_its_name() {
        for (bytes, says) in [
            (&b""[..], "it is empty"),
            (
                b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0",
                "a native program (ELF). compile its sources with replicode-cc",
            ),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0", "object file (ELF)"),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "macOS"),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", "macOS"),
            (b"\xca\xfe\xba\xbe\0\0\0\x41", "Java"),
            (b"MZ\x90\0", "Windows"),
            (b"!<arch>\n", "replicode-cc"),
            (b"#!/bin/sh\necho", "a script (\"#!/bin/sh\"), and replicode runs programs"),
            (b"/* a server */\n  #include <stdio.h>\nint main(void) {}\n", "replicode-cc FILE.c -o FILE.wasm"),
            (b"fn main() {}", "cargo replicode build"),
            (b"(module (func))", "wat2wasm"),
            (b"\x1f\x8b\x08", "unpack"),
            (b"hello", "it begins with \"hello\""),
            (b"\xff\xfe#include", "it begins with"),
        ] {
            let said = of(bytes);
            assert!(said.contains(says), "{said}");
        }
    }
}
