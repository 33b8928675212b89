//! Modules made to keep a node busy: each is refused or transformed in bounded time, whatever it is made of.

use crate::oracle::settings;
use replicode_transform::{CodeClass, Error, Settings, Wish, transform};
use wasm_encoder::{
    BlockType, CodeSection, DataCountSection, DataSection, Encode, Function, FunctionSection, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

/// Seconds that any verdict may take on a slow and busy machine. Measured are some hundredths.
const MOST_SECONDS: u64 = 20;

fn timed(name: &str, wasm: &[u8], settings: &Settings, expected: &str) {
    for class in [CodeClass::Metered, CodeClass::Fixed] {
        #[expect(clippy::disallowed_types, reason = "the time is what this test is about")]
        let start = std::time::Instant::now();
        let outcome = transform(wasm, settings, &Wish { class, ..Wish::default() });
        let took = start.elapsed();
        println!("{name}, {class}: {} bytes, {took:?}", wasm.len());
        assert!(took.as_secs() < MOST_SECONDS, "{name}: {took:?}");
        match outcome {
            Ok(out) => {
                assert!(expected.is_empty(), "{name} was accepted");
                wasmparser::Validator::new().validate_all(&out.wasm).unwrap();
            }
            Err(Error::Refused(verdict)) => {
                let text = verdict.to_string();
                let fixed = class == CodeClass::Fixed && text.contains("not of class fixed");
                assert!((!expected.is_empty() && text.contains(expected)) || fixed, "{name}: {text}");
                assert!(text.len() < 100_000, "{name}: a verdict of {} bytes", text.len());
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// A module of functions without parameters, with these bodies.
fn module(bodies: &[Function], results: usize) -> Vec<u8> {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    types.ty().function([], vec![ValType::I32; results]);
    for body in bodies {
        functions.function(0);
        code.function(body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module.finish()
}

fn function(locals: &[(u32, ValType)], write: impl Fn(&mut Function)) -> Function {
    let mut function = Function::new(locals.iter().copied());
    write(&mut function);
    function.instructions().end();
    function
}

#[test]
fn nesting() {
    let deep = |n: u32| {
        function(&[], |f| {
            for _ in 0..n {
                f.instructions().block(BlockType::Empty);
            }
            for _ in 0..n {
                f.instructions().end();
            }
        })
    };
    timed("nested blocks", &module(&[deep(40_000)], 0), &settings(), "40000 blocks inside each other");
    let most = settings().limits.nesting as u32;
    timed("nested blocks at the limit", &module(&vec![deep(most); 500], 0), &settings(), "");
}

#[test]
fn locals() {
    let many = function(&[(u32::MAX, ValType::I64)], |_| {});
    timed("4 294 967 295 locals", &module(&[many], 0), &settings(), "4294967295 locals of a function");
    let runs = function(&vec![(u32::MAX, ValType::I64); 1000], |_| {});
    timed("a thousand runs of them", &module(&[runs], 0), &settings(), "too many locals");
    let most = settings().limits.locals as u32;
    let wide = function(&[(most, ValType::I32)], |_| {});
    timed("functions with as many locals as may be", &module(&vec![wide; 4096], 0), &settings(), "");
}

#[test]
fn switches() {
    // Each target is compared with all results: the product must stay small.
    let table = |targets: usize, tables: usize| {
        function(&[], |f| {
            for _ in 0..tables {
                f.instructions().block(BlockType::FunctionType(1));
                for _ in 0..16 {
                    f.instructions().i32_const(0);
                }
                f.instructions().i32_const(0).br_table(vec![0; targets], 0).end();
                for _ in 0..16 {
                    f.instructions().drop();
                }
            }
        })
    };
    timed("a br_table of 100 000", &module(&[table(100_000, 1)], 16), &settings(), "100000 targets of a br_table");
    timed("br_tables at the limit", &module(&vec![table(4000, 30); 6], 16), &settings(), "");
    timed("results", &module(&[function(&[], |_| {})], 1000), &settings(), "1000 results of a type");
}

#[test]
fn data() {
    // Half a million segments of nothing.
    let mut bytes = Vec::new();
    let count = 500_000u32;
    let mut content = Vec::new();
    count.encode(&mut content);
    content.extend(std::iter::repeat_n([1u8, 0], count as usize).flatten());
    bytes.extend(Module::new().finish());
    bytes.push(11);
    (content.len() as u32).encode(&mut bytes);
    bytes.extend(content);
    timed("data segments", &bytes, &settings(), "500000 data segments");

    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut data = DataSection::new();
    data.passive(vec![7u8; 600 << 10]);
    let mut module = Module::new();
    module.section(&memories).section(&DataCountSection { count: 1 }).section(&data);
    timed("bytes of data", &module.finish(), &settings(), "614400 bytes of data");
}

#[test]
fn lies_about_counts() {
    // A section that says it has four thousand million entries.
    for section in [1u8, 2, 3, 4, 5, 6, 7, 9, 10, 11] {
        let mut bytes = Module::new().finish();
        bytes.extend([section, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let outcome = transform(&bytes, &settings(), &Wish::default());
        assert!(matches!(outcome, Err(Error::Refused(_))), "section {section}: {outcome:?}");
    }
}

#[test]
fn mistakes_do_not_buy_memory() {
    let imports = (0..200).map(|i| format!(r#"(import "svm" "{}{i}" (func))"#, "x".repeat(250))).collect::<String>();
    let wasm = wat::parse_str(format!("(module {imports})")).unwrap();
    let Err(Error::Refused(verdict)) = transform(&wasm, &settings(), &Wish::default()) else { panic!("accepted") };
    assert_eq!((verdict.complaints.len(), verdict.left_out), (100, 100));
    assert!(verdict.to_string().ends_with("\nand 100 more"));
}

#[test]
fn loops_to_be_counted_out() {
    // A hundred loops of a million rounds each: counting them out is given up.
    let body =
        "i32.const 1000000 local.set 0 loop local.get 0 i32.const -1 i32.add local.tee 0 br_if 0 end ".repeat(100);
    let wasm = wat::parse_str(format!("(module (func (export \"f\") (local i32) {body}))")).unwrap();
    timed("long loops", &wasm, &settings(), "");
    // A chain of calls as long as a module may have functions.
    let chain = (0..4095).map(|i| format!("(func call {})", i + 1)).collect::<String>();
    let wasm = wat::parse_str(format!("(module {chain} (func) (export \"f\" (func 0)))")).unwrap();
    timed("a chain of calls", &wasm, &settings(), "");
    // Each calls the next twice: the price doubles 4095 times.
    let double = (0..4095).map(|i| format!("(func call {} call {})", i + 1, i + 1)).collect::<String>();
    let wasm = wat::parse_str(format!("(module {double} (func) (export \"f\" (func 0)))")).unwrap();
    timed("a tree of calls", &wasm, &settings(), "");
}
