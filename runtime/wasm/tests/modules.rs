//! What is accepted, what is refused, and what the refusal says.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use replicode_log::Limits;
use replicode_wasm::{ModuleError, WasmEngine, engine};

fn compile_with(limits: &Limits, wasm: &[u8]) -> Result<(), ModuleError> {
    WasmEngine::new(limits).unwrap().compile(wasm).map(|_| ())
}

fn compile(text: &str) -> Result<(), ModuleError> {
    compile_with(&Limits::default(), &wat::parse_str(text).unwrap())
}

/// A program with these further fields.
fn program(fields: &str) -> String {
    format!(r#"(module {fields} (memory (export "memory") 1) (func (export "_start")))"#)
}

#[test]
fn every_function_of_both_interfaces_can_be_imported() {
    let imports: String = replicode_syscalls::abi::IMPORTS
        .iter()
        .map(|import| {
            let params: String =
                import.params.iter().map(|param| format!(" (param {:?})", param.ty).to_lowercase()).collect();
            let results: String =
                import.returns.types().iter().map(|ty| format!(" (result {ty:?})").to_lowercase()).collect();
            format!("(import \"{}\" \"{}\" (func{params}{results}))\n", import.module, import.name)
        })
        .collect();
    assert_eq!(compile(&program(&imports)), Ok(()));
}

#[test]
fn all_bad_imports_are_named_with_their_types() {
    let error = compile(&program(
        r#"(import "env" "fork" (func (param i32 i64) (result i32)))
           (import "wasi_snapshot_preview1" "fd_tell" (func (param i32) (result i32)))
           (import "wasi_snapshot_preview1" "fd_sing" (func))
           (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
           (import "env" "table" (table 1 funcref))"#,
    ))
    .unwrap_err();
    let expected = "the module asks for 4 imports that replicode does not offer:
  env.fork: (i32, i64) -> i32: there is no module 'env'
    no object or library had it when the program was linked, and the linker was told to let that pass (--allow-undefined): \
    link without that, with replicode-cc, whose library has what POSIX declares
  wasi_snapshot_preview1.fd_tell: (i32) -> i32: its type is (i32, i32) -> i32
  wasi_snapshot_preview1.fd_sing: () -> (): 'wasi_snapshot_preview1' has no such function
    it is not of WASI preview 1: build with replicode-cc, or for wasm32-wasip1
  env.table: table: only functions can be imported
    link without --import-table";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_no_program_is_told_apart() {
    assert_eq!(compile_with(&Limits::default(), b""), Err(ModuleError::NotWasm("it is empty".into())));
    let component = compile_with(&Limits::default(), b"\0asm\x0d\0\x01\0").unwrap_err().to_string();
    assert!(component.starts_with("this is a WebAssembly component, and") && component.contains("replicode-cc"));
    let text = r#"(component (import "wasi:sockets/tcp@0.2.3" (instance)))"#;
    let component = compile(text).unwrap_err().to_string();
    assert!(component.contains("for WASI preview 2 (it imports wasi:sockets/tcp@0.2.3)"), "{component}");
    assert_eq!(compile(r#"(module (memory (export "memory") 1))"#), Err(ModuleError::NoStart { reactor: false }));
    let reactor = r#"(module (memory (export "memory") 1) (func (export "_initialize")))"#;
    assert_eq!(compile(reactor), Err(ModuleError::NoStart { reactor: true }));
    assert_eq!(compile(r#"(module (func (export "_start")))"#), Err(ModuleError::NoMemory));
    let typed = r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#;
    assert_eq!(compile(typed), Err(ModuleError::StartType("(i32) -> ()".into())));
}

#[test]
fn a_module_cut_short_anywhere_is_refused() {
    // Its last section is its code: without a part of that it is no module any more.
    let whole = wat::parse_str(program("")).unwrap();
    let engine = WasmEngine::new(&Limits::default()).unwrap();
    assert!(engine.compile(&whole).is_ok());
    for len in 0..whole.len() {
        assert!(engine.compile(&whole[..len]).is_err(), "{len} of {} bytes", whole.len());
    }
}

#[test]
fn size_and_memory_have_limits() {
    let wasm = wat::parse_str(program("")).unwrap();
    let len = wasm.len();
    let limits = |module_bytes| Limits { module_bytes, ..Limits::default() };
    assert_eq!(compile_with(&limits(len as u64), &wasm), Ok(()));
    let max = len as u64 - 1;
    assert_eq!(compile_with(&limits(max), &wasm), Err(ModuleError::TooLarge { len, max }));

    let two_pages = wat::parse_str(r#"(module (memory (export "memory") 2) (func (export "_start")))"#).unwrap();
    let limits = |memory_bytes| Limits { memory_bytes, ..Limits::default() };
    assert_eq!(compile_with(&limits(2 << 16), &two_pages), Ok(()));
    let refused = ModuleError::MemoryTooLarge { wanted: 2 << 16, max: 1 << 16 };
    assert_eq!(compile_with(&limits(1 << 16), &two_pages), Err(refused));

    let table = format!("(table {} funcref)", engine::MAX_TABLE_ELEMENTS + 1);
    assert!(matches!(compile(&program(&table)), Err(ModuleError::TablesTooLarge { .. })));
}

#[test]
fn proposals_that_are_off_are_refused_and_those_that_are_on_are_not() {
    for (off, says) in [
        ("(memory i64 1)", "build for wasm32, not wasm64"),
        ("(memory 1 1 shared)", "replicode has no threads yet; build without -pthread"),
        ("(import \"env\" \"memory\" (memory 1 1 shared))", "replicode has no threads yet; build without -pthread"),
        ("(import \"wasi\" \"thread-spawn\" (func))", "replicode has no threads yet; build without -pthread"),
        ("(import \"wasix_32v1\" \"fork\" (func))", "a WASIX module (it imports 'wasix_32v1')"),
        ("(memory 1)", "2 memories (multi-memory)"),
        ("(memory 1 (pagesize 1))", "2 memories (multi-memory)"),
        ("(type (struct (field i32)))", "the garbage collector (WasmGC)"),
        ("(tag $t) (func try catch $t end)", "1 of the module's functions use exceptions of the form before"),
        (
            "(func (param i64 i64 i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)) drop drop)",
            "",
        ),
    ] {
        let text = format!("(module {off} (memory (export \"memory\") 1) (func (export \"_start\")))");
        match compile(&text).unwrap_err() {
            ModuleError::NotOffered(why) => assert!(!says.is_empty() && why.contains(says), "{off}: {why}"),
            ModuleError::Invalid(_) => assert_eq!(says, "", "{off}"),
            other => panic!("{off}: {other}"),
        }
    }
    for on in [
        "(func $f (return_call $f))",
        "(tag $t (param i32)) (func (throw $t (i32.const 1)))",
        "(func (param v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0)))",
        "(func (result i32 i32) (i32.const 1) (i32.const 2))",
    ] {
        assert_eq!(compile(&program(on)), Ok(()), "{on}");
    }
}

#[test]
fn the_fingerprint_names_the_engine_and_what_matters() {
    let limits = Limits::default();
    let text = WasmEngine::fingerprint_text(&limits);
    assert!(text.starts_with("wasmtime 48.0.8\n"), "{text}");
    assert!(text.contains(&format!("stack {}\n", limits.stack_bytes)), "{text}");
    if cfg!(target_arch = "x86_64") {
        assert!(text.contains(", sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 bmi1 bmi2 lzcnt fma\n"), "{text}");
    }
    let deeper = Limits { stack_bytes: limits.stack_bytes * 2, ..limits.clone() };
    assert_ne!(WasmEngine::fingerprint(&limits), WasmEngine::fingerprint(&deeper));
    assert_eq!(WasmEngine::fingerprint(&limits), WasmEngine::fingerprint(&limits.clone()));
}

#[test]
fn the_fingerprint_has_the_version_that_is_linked() {
    let lock = include_str!("../../../Cargo.lock");
    let linked = format!("name = \"wasmtime\"\nversion = \"{}\"\n", engine::WASMTIME_VERSION);
    assert!(lock.contains(&linked), "WASMTIME_VERSION is not the version in Cargo.lock");
}
