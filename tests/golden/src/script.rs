//! A program as a list of calls, with what their author expects of each: compiled to a module, and compared with what the
//! kernel answers. The expectations are written by hand, after the documentation of the calls; the recording holds what
//! the kernel did say.

use crate::recording::Results;
use anyhow::{Context, Result};
use replicode_syscalls::abi::{Errno, IMPORTS, Import, ValType};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Where scripts put things in their memory, as the kernel's own tests do.
pub mod at {
    /// What calls answer.
    pub const OUT: u64 = 0x100;
    /// Lists of buffers.
    pub const IOV: u64 = 0x200;
    /// Paths.
    pub const PATH: u64 = 0x400;
    /// Second paths.
    pub const PATH2: u64 = 0x800;
    /// Lengths of addresses.
    pub const ADDR_LEN: u64 = 0xc00;
    /// Addresses.
    pub const ADDR: u64 = 0xc10;
    /// Data.
    pub const BUF: u64 = 0x1000;
    /// Subscriptions.
    pub const SUBS: u64 = 0x8000;
    /// Events.
    pub const EVENTS: u64 = 0xc000;
    /// The end of memory.
    pub const END: u64 = 0x2_0000;
}

/// What the author of a script expects of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Success, whatever the value.
    Ok,
    /// This value.
    Value(i32),
    /// This error.
    Fails(Errno),
    /// An error or not.
    Any,
}

/// A program that makes one call after the other.
///
/// Calls that wait are made again by the engine until they are finished, so a script simply goes on behind them.
#[derive(Clone, Debug, Default)]
pub struct Script {
    statements: Vec<String>,
    /// Passive data, by number.
    data: Vec<Vec<u8>>,
    imports: BTreeSet<usize>,
    fields: String,
    wants: Vec<(usize, Want)>,
}

/// Statements in one function: the compiler's time grows faster than a function's length.
const CHUNK: usize = 64;

fn import(name: &str) -> (usize, &'static Import) {
    let found = IMPORTS.iter().enumerate().find(|(_, import)| import.name == name);
    found.unwrap_or_else(|| panic!("a script calls '{name}', which is no import"))
}

impl Script {
    /// A program that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Any statement in WebAssembly's text format.
    pub fn raw(&mut self, statement: impl Into<String>) -> &mut Self {
        self.statements.push(statement.into());
        self
    }

    /// Further fields of the module.
    pub fn field(&mut self, field: &str) -> &mut Self {
        self.fields.push_str(field);
        self
    }

    /// Puts bytes into memory.
    pub fn put(&mut self, at: u64, bytes: &[u8]) -> &mut Self {
        let n = self.data.iter().position(|known| known == bytes).unwrap_or_else(|| {
            self.data.push(bytes.to_vec());
            self.data.len() - 1
        });
        let len = bytes.len();
        self.raw(format!("(memory.init $d{n} (i32.const {at}) (i32.const 0) (i32.const {len}))"))
    }

    /// A 32-bit number.
    pub fn word(&mut self, at: u64, word: u32) -> &mut Self {
        self.raw(format!("(i32.store (i32.const {at}) (i32.const {}))", word.cast_signed()))
    }

    /// A list of buffers at [`at::IOV`].
    pub fn iov(&mut self, buffers: &[(u64, u64)]) -> &mut Self {
        let words = buffers.iter().flat_map(|(ptr, len)| [*ptr as u32, *len as u32]);
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        self.put(at::IOV, &bytes)
    }

    /// A `sockaddr_in` at [`at::ADDR`], and its length before it.
    pub fn addr(&mut self, ip: [u8; 4], port: u16) -> &mut Self {
        let [high, low] = port.to_be_bytes();
        let [a, b, c, d] = ip;
        self.put(at::ADDR, &[1, 0, high, low, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]).word(at::ADDR_LEN, 16)
    }

    /// A `sockaddr_in6` at [`at::ADDR`], and its length before it.
    pub fn addr6(&mut self, ip: std::net::Ipv6Addr, port: u16) -> &mut Self {
        let mut bytes = vec![2, 0];
        bytes.extend(port.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(ip.octets());
        bytes.extend([0; 4]);
        self.put(at::ADDR, &bytes).word(at::ADDR_LEN, 28)
    }

    fn expression(&mut self, name: &str, args: &[u64], want: Want) -> String {
        let (number, import) = import(name);
        assert_eq!(args.len(), import.params.len(), "a script calls '{name}' with other parameters than it has");
        self.imports.insert(number);
        self.wants.push((number, want));
        let mut text = format!("(call $f{number}");
        for (param, arg) in import.params.iter().zip(args) {
            let _ = match param.ty {
                ValType::I32 => write!(text, " (i32.const {})", (*arg as u32).cast_signed()),
                ValType::I64 => write!(text, " (i64.const {})", arg.cast_signed()),
            };
        }
        text.push(')');
        text
    }

    /// A call of the import of that name, with what is expected of it.
    pub fn call(&mut self, name: &str, args: &[u64], want: Want) -> &mut Self {
        let expression = self.expression(name, args, want);
        let drops = !import(name).1.returns.types().is_empty();
        self.raw(if drops { format!("(drop {expression})") } else { expression })
    }

    /// A call that succeeds.
    pub fn ok(&mut self, name: &str, args: &[u64]) -> &mut Self {
        self.call(name, args, Want::Ok)
    }

    /// A call that answers this value.
    pub fn gives(&mut self, name: &str, args: &[u64], value: i32) -> &mut Self {
        self.call(name, args, Want::Value(value))
    }

    /// A call that fails.
    pub fn fails(&mut self, name: &str, args: &[u64], errno: Errno) -> &mut Self {
        self.call(name, args, Want::Fails(errno))
    }

    /// A call of which nothing is expected.
    pub fn any(&mut self, name: &str, args: &[u64]) -> &mut Self {
        self.call(name, args, Want::Any)
    }

    /// The same several times; the local `$i` counts from 0.
    pub fn repeat(&mut self, times: usize, body: impl FnOnce(&mut Self)) -> &mut Self {
        let (statements, wants) = (std::mem::take(&mut self.statements), std::mem::take(&mut self.wants));
        body(self);
        let once = std::mem::replace(&mut self.wants, wants);
        let inner = std::mem::replace(&mut self.statements, statements).join("\n");
        self.wants.extend(std::iter::repeat_n(once, times).flatten());
        self.raw(format!(
            "(local.set $i (i32.const 0)) (loop $again {inner}
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))"
        ))
    }

    /// The module.
    ///
    /// # Errors
    /// When a statement is none of WebAssembly's.
    pub fn wasm(&self) -> Result<Vec<u8>> {
        let mut text = String::from("(module\n");
        for number in &self.imports {
            let import = &IMPORTS[*number];
            let types = |list: &[ValType]| {
                list.iter().map(|ty| if *ty == ValType::I32 { " i32" } else { " i64" }).collect::<String>()
            };
            let params: Vec<ValType> = import.params.iter().map(|param| param.ty).collect();
            let _ = writeln!(
                text,
                "(import \"{}\" \"{}\" (func $f{number} (param{}) (result{})))",
                import.module,
                import.name,
                types(&params),
                types(import.returns.types())
            );
        }
        let _ = writeln!(text, "(memory (export \"memory\") {})\n{}", at::END >> 16, self.fields);
        for (n, bytes) in self.data.iter().enumerate() {
            let hex: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            let _ = writeln!(text, "(data $d{n} \"{hex}\")");
        }
        let chunks = self.statements.chunks(CHUNK);
        let calls: String = (0..chunks.len()).map(|n| format!("(call $part{n})")).collect();
        for (n, chunk) in chunks.enumerate() {
            let _ = writeln!(text, "(func $part{n} (local $i i32)\n{})", chunk.join("\n"));
        }
        let _ = writeln!(text, "(func (export \"_start\") {calls}))");
        wat::parse_str(&text).with_context(|| format!("the script is no module:\n{text}"))
    }

    /// Where what a process was answered is not what the script expects.
    #[must_use]
    pub fn surprises(&self, pid: u32, results: &Results) -> Vec<String> {
        let answers: Vec<_> = results.0.iter().flat_map(|it| &it.calls).filter(|call| call.pid == pid).collect();
        let mut surprises = Vec::new();
        for (n, (answer, (number, want))) in answers.iter().zip(&self.wants).enumerate() {
            let import = &IMPORTS[*number];
            let errno = crate::compare::errno(import, answer.result);
            let fits = match want {
                Want::Ok => errno.is_none(),
                Want::Value(value) => answer.result == *value,
                Want::Fails(wanted) => errno == Some(*wanted),
                Want::Any => true,
            };
            let got = errno.map_or_else(|| answer.result.to_string(), |errno| errno.to_string());
            if usize::from(answer.import) != *number {
                surprises.push(format!("process {pid}, call {}: not {}, which the script makes", n + 1, import.name));
            } else if !fits {
                let what = format!("process {pid}, call {}, {}", n + 1, import.name);
                surprises.push(format!("{what}: {want:?} was expected, {got} is the answer"));
            }
        }
        let (made, wanted) = (answers.len(), self.wants.len());
        if made != wanted {
            surprises
                .push(format!("process {pid} finished {made} of its {wanted} calls: it waits, or has ended early"));
        }
        surprises
    }
}
