//! A small module that stands between a guest and the host: it turns "you would have to wait" into waiting.
//!
//! A host function that can suspend its caller is a future in Wasmtime, and making one costs an allocation per call,
//! also when nothing has to wait. So the functions are plain ones that answer [`WAIT`], and this wrapper, one per import,
//! suspends the guest and calls again with the same arguments:
//!
//! ```text
//! loop { r = fast(args); if r != WAIT { return r }; wait() }
//! ```
//!
//! Every call may have to wait, if only because the process's turn is used up; a function that never returns is handed
//! through as it is. The module's exports are numbered as the guest's imports are, so that an instance of the guest is
//! made from them in order, without looking up a name.

use crate::host::WAIT;
use replicode_syscalls::abi::{Import, Returns, ValType};
use std::fmt::Write as _;

/// Names of the one function that suspends.
pub const WAIT_IMPORT: (&str, &str) = ("replicode", "wait");

/// Text of the shim for a guest with these imports, in order.
pub fn text(imports: &[&Import]) -> String {
    let mut text = String::from("(module\n");
    let (module, name) = WAIT_IMPORT;
    let _ = writeln!(text, "  (import \"{module}\" \"{name}\" (func $wait))");
    for (i, import) in imports.iter().enumerate() {
        let Import { module, name, .. } = import;
        let signature = signature(import);
        let _ = writeln!(text, "  (import \"{module}\" \"{name}\" (func $fast{i}{signature}))");
    }
    for (i, import) in imports.iter().enumerate() {
        match import.returns {
            Returns::Never => _ = writeln!(text, "  (export \"{i}\" (func $fast{i}))"),
            Returns::Errno | Returns::Value => _ = write!(text, "{}", wrapper(i, import)),
        }
    }
    text.push_str(")\n");
    text
}

fn wrapper(i: usize, import: &Import) -> String {
    let signature = signature(import);
    let args: String = (0..import.params.len()).map(|arg| format!(" (local.get {arg})")).collect();
    format!(
        "  (func (export \"{i}\"){signature} (local $result i32)
    (loop $again
      (local.set $result (call $fast{i}{args}))
      (if (i32.eq (local.get $result) (i32.const {WAIT}))
        (then (call $wait) (br $again))))
    (local.get $result))\n"
    )
}

fn signature(import: &Import) -> String {
    let params = import.params.iter().map(|param| ("param", param.ty));
    let results = import.returns.types().iter().map(|ty| ("result", *ty));
    let word = |ty| if ty == ValType::I64 { "i64" } else { "i32" };
    params.chain(results).map(|(kind, ty)| format!(" ({kind} {})", word(ty))).collect()
}
