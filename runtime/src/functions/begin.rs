//! `fn new`: a directory with a function to begin with, and all that it takes to build and test it.

use crate::args::{FnLanguage, FnNewArgs};
use crate::show::print_json;
use crate::{Usage, telemetry};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

macro_rules! plugin {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../wasm_programs/functions/", $path)))
    };
}

/// The crate that functions in Rust are written with.
const CRATE: [(&str, &str); 7] = [
    plugin!("replicode-plugin/Cargo.toml"),
    plugin!("replicode-plugin/src/lib.rs"),
    plugin!("replicode-plugin/src/heap.rs"),
    plugin!("replicode-plugin/src/native.rs"),
    plugin!("replicode-plugin/src/wasm.rs"),
    plugin!("replicode-plugin/macros/Cargo.toml"),
    plugin!("replicode-plugin/macros/src/lib.rs"),
];
/// The header that functions in C are written with.
const HEADER: &str = include_str!("../../../wasm_programs/functions/c/replicode_plugin.h");

/// Runs the command.
///
/// # Errors
/// When the name cannot be one, or the directory is there.
pub fn run(args: &FnNewArgs, json: bool) -> Result<u8> {
    let name = &args.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 64 {
        let text =
            format!("'{name}' cannot be the name of a new function: small letters, digits and '-', a letter first");
        return Err(Usage(text).into());
    }
    let root = Path::new(name);
    fs::create_dir(root).with_context(|| format!("cannot make the directory '{name}'"))?;
    let put = |path: &str, text: &str| -> Result<()> {
        let path = root.join(path);
        let what = || format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(what)?;
        }
        fs::write(&path, text).with_context(what)
    };
    match args.lang {
        FnLanguage::Rust => {
            for (path, text) in CRATE {
                put(path, text)?;
            }
            put("Cargo.toml", &format!("{CARGO_HEAD}name = \"{name}\"\n{CARGO_TAIL}"))?;
            put(".cargo/config.toml", CARGO_CONFIG)?;
            put(".gitignore", "/target\n")?;
            put("src/lib.rs", RUST)?;
            put("README.md", &readme(name, &rust_commands(name)))?;
        }
        FnLanguage::C => {
            put("replicode_plugin.h", HEADER)?;
            put(&format!("{name}.c"), C)?;
            put("test.c", &C_TEST.replace("NAME", name))?;
            put("README.md", &readme(name, &c_commands(name)))?;
        }
    }
    if json {
        return print_json(&[serde_json::json!({"dir": root})]);
    }
    telemetry::say(&format!(
        "a function is begun in {name}; {name}/README.md has the four commands from here to its first execution"
    ));
    Ok(0)
}

const CARGO_HEAD: &str = "[package]\n";
const CARGO_TAIL: &str = "\
version = \"0.1.0\"
edition = \"2024\"

[lib]
crate-type = [\"cdylib\", \"rlib\"]

[dependencies]
replicode-plugin = { path = \"replicode-plugin\" }

[profile.release]
opt-level = 3
lto = \"fat\"
panic = \"abort\"
strip = \"debuginfo\"

[workspace]
";
const CARGO_CONFIG: &str = "\
# The stack stands in the memory that every execution gets: what is not needed would be cleared each time.
[target.wasm32-unknown-unknown]
rustflags = [\"-Clink-arg=-zstack-size=32768\"]
";
const RUST: &str = "\
use replicode_plugin::{Result, plugin};

/// Says it louder.
#[plugin]
pub fn process(input: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(input)?;
    Ok(format!(\"{}!\", text.to_uppercase()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_louder() {
        assert_eq!(process(b\"hello\").unwrap(), b\"HELLO!\");
    }
}
";
const C: &str = "\
#include \"replicode_plugin.h\"

/* Says it louder. */
int32_t process(uint8_t *input, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (input[i] >= 'a' && input[i] <= 'z') input[i] -= 'a' - 'A';
    }
    fn_output(input, len);
    fn_output((const uint8_t *)\"!\", 1);
    return 0;
}
";
const C_TEST: &str = "\
/* The function on this machine, with a host that keeps its output. */
#include <assert.h>
#include <string.h>
#include \"NAME.c\"

static uint8_t out[64];
static size_t out_len;

void fn_output(const uint8_t *bytes, size_t len) {
    memcpy(out + out_len, bytes, len);
    out_len += len;
}

int main(void) {
    uint8_t input[] = \"hello\";
    assert(process(input, 5) == 0);
    assert(out_len == 6 && memcmp(out, \"HELLO!\", 6) == 0);
    return 0;
}
";

fn rust_commands(name: &str) -> String {
    let file = name.replace('-', "_");
    format!(
        "cargo test\ncargo build --release --target wasm32-unknown-unknown      # once before: rustup target add wasm32-unknown-unknown\n\
         replicode fn load target/wasm32-unknown-unknown/release/{file}.wasm --name {name}      # a server is started with: replicode fn serve\n\
         replicode fn execute {name} --input hello\n"
    )
}

fn c_commands(name: &str) -> String {
    format!(
        "cc -Wno-attributes test.c -o test && ./test\n\
         clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry {name}.c -o {name}.wasm      # or: zig cc --target=wasm32-freestanding …\n\
         replicode fn load {name}.wasm      # a server is started with: replicode fn serve\n\
         replicode fn execute {name} --input hello\n"
    )
}

fn readme(name: &str, commands: &str) -> String {
    format!("# {name}\n\nA function for replicode, in four commands:\n\n```sh\n{commands}```\n")
}
