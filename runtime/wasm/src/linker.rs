//! The host functions, made from the kernel's own table of imports: no function has code of its own here.

use crate::host::{self, Host};
use crate::shim::WAIT_IMPORT;
use replicode_syscalls::abi::{IMPORTS, Import, Returns, ValType};
use wasmtime::{Caller, Engine, FuncType, Linker, Result, Val, ValType as WasmType};

/// Links every import of the table, and the one function that suspends.
pub fn build(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    for import in IMPORTS {
        link(&mut linker, import)?;
    }
    let (module, name) = WAIT_IMPORT;
    linker.func_wrap_async(module, name, |caller, (): ()| Box::new(host::wait(caller)))?;
    Ok(linker)
}

/// Declares one host function for each signature that occurs, so that the compiler generates its entry: a call then
/// costs a few nanoseconds. A signature that is missing here still works, at several times that; a test finds it.
macro_rules! typed {
    ($($shape:literal ($($arg:ident: $int:ty),*);)*) => {
        /// The signatures with an entry of their own.
        #[cfg(test)]
        const SHAPES: &[&str] = &[$($shape),*];

        fn link(linker: &mut Linker<Host>, import: &'static Import) -> Result<()> {
            let Import { module, name, make, .. } = *import;
            match shape(import).as_str() {
                $($shape => {
                    linker.func_wrap(module, name, move |mut caller: Caller<'_, Host>, $($arg: $int),*| -> Result<i32> {
                        host::enter(&mut caller, make(&[$(u64::from($arg)),*]))
                    })?;
                })*
                _ => dynamic(linker, import)?,
            }
            Ok(())
        }
    };
}

/// The parameters of an import, one letter each: `i` for `i32`, `I` for `i64`; `!` when it does not return.
fn shape(import: &Import) -> String {
    let mut shape: String =
        import.params.iter().map(|param| if param.ty == ValType::I64 { 'I' } else { 'i' }).collect();
    if import.returns == Returns::Never {
        shape.push('!');
    }
    shape
}

typed! {
    "" ();
    "i" (a: u32);
    "ii" (a: u32, b: u32);
    "iii" (a: u32, b: u32, c: u32);
    "iiii" (a: u32, b: u32, c: u32, d: u32);
    "iiiii" (a: u32, b: u32, c: u32, d: u32, e: u32);
    "iiiiii" (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32);
    "iiiiiii" (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32);
    "iI" (a: u32, b: u64);
    "iII" (a: u32, b: u64, c: u64);
    "iIi" (a: u32, b: u64, c: u32);
    "iiI" (a: u32, b: u32, c: u64);
    "iIii" (a: u32, b: u64, c: u32, d: u32);
    "iIIi" (a: u32, b: u64, c: u64, d: u32);
    "iiiI" (a: u32, b: u32, c: u32, d: u64);
    "iiiiiIii" (a: u32, b: u32, c: u32, d: u32, e: u32, f: u64, g: u32, h: u32);
    "iiiIi" (a: u32, b: u32, c: u32, d: u64, e: u32);
    "iiiiIIi" (a: u32, b: u32, c: u32, d: u32, e: u64, f: u64, g: u32);
    "iiiiiIIii" (a: u32, b: u32, c: u32, d: u32, e: u32, f: u64, g: u64, h: u32, i: u32);
}

fn dynamic(linker: &mut Linker<Host>, import: &'static Import) -> Result<()> {
    let Import { module, name, make, .. } = *import;
    let ty = func_type(linker.engine(), import);
    linker.func_new(module, name, ty, move |mut caller, args, results| {
        let raw: Vec<u64> = args
            .iter()
            .map(|arg| match arg {
                Val::I64(value) => *value as u64,
                other => u64::from(other.i32().unwrap_or_default() as u32),
            })
            .collect();
        let result = host::enter(&mut caller, make(&raw))?;
        if let Some(place) = results.first_mut() {
            *place = Val::I32(result);
        }
        Ok(())
    })?;
    Ok(())
}

/// The type of an import, as Wasmtime knows it.
pub fn func_type(engine: &Engine, import: &Import) -> FuncType {
    let wasm = |ty: &ValType| match ty {
        ValType::I32 => WasmType::I32,
        ValType::I64 => WasmType::I64,
    };
    FuncType::new(engine, import.params.iter().map(|param| wasm(&param.ty)), import.returns.types().iter().map(wasm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_that_returns_has_an_entry_of_its_own() {
        let slow = IMPORTS.iter().filter(|import| import.returns != Returns::Never);
        let slow: Vec<_> = slow.filter(|import| !SHAPES.contains(&shape(import).as_str())).collect();
        let slow: Vec<_> = slow.iter().map(|import| format!("{} {}", import.name, shape(import))).collect();
        assert!(slow.is_empty(), "signatures to be added to the list above: {slow:?}");
        let used: Vec<_> = IMPORTS.iter().map(shape).collect();
        let idle: Vec<_> = SHAPES.iter().filter(|entry| !used.iter().any(|shape| shape == **entry)).collect();
        assert!(idle.is_empty(), "signatures that no import has: {idle:?}");
    }
}
