//! Imports against the table of what host and libraries offer, and the name that was probably meant.

use crate::module::Module;
use crate::settings::{HostFunction, HostTable, Settings, Value};
use crate::verdict::{Complaint, Verdict};
use wasmparser::{FuncType, TypeRef};

/// Complains about each import that nothing answers.
pub(crate) fn check(module: &Module<'_>, settings: &Settings, verdict: &mut Verdict) {
    for import in module.imports.iter().filter(|import| !(import.module.is_empty() && import.name.is_empty())) {
        let (of, name) = (import.module.to_string(), import.name.to_string());
        let ty = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => ty,
            TypeRef::Table(_) => {
                verdict.add(Complaint::ImportKind { module: of, name, kind: "table" });
                continue;
            }
            TypeRef::Memory(_) => {
                verdict.add(Complaint::ImportKind { module: of, name, kind: "memory" });
                continue;
            }
            TypeRef::Global(_) => {
                verdict.add(Complaint::ImportKind { module: of, name, kind: "global" });
                continue;
            }
            TypeRef::Tag(_) => {
                verdict.add(Complaint::ImportKind { module: of, name, kind: "tag" });
                continue;
            }
        };
        let key = (of, name);
        match settings.host.get(&key) {
            None => {
                let closest = closest(&key, &settings.host);
                verdict.add(Complaint::UnknownImport { module: key.0, name: key.1, closest });
            }
            Some(host) => {
                let found = module.types.get(ty as usize);
                if let Some(found) = found.filter(|found| !same(host, found)) {
                    verdict.add(Complaint::ImportType {
                        module: key.0,
                        name: key.1,
                        expected: signature(
                            &mut host.params.iter().copied().map(Value::wasm),
                            &mut host.results.iter().copied().map(Value::wasm),
                        ),
                        found: signature(&mut found.params().iter().copied(), &mut found.results().iter().copied()),
                    });
                }
            }
        }
    }
}

fn same(host: &HostFunction, found: &FuncType) -> bool {
    let equal = |host: &[Value], found: &[wasmparser::ValType]| {
        host.len() == found.len() && host.iter().zip(found).all(|(h, f)| h.wasm() == *f)
    };
    equal(&host.params, found.params()) && equal(&host.results, found.results())
}

fn signature(
    params: &mut dyn Iterator<Item = wasmparser::ValType>,
    results: &mut dyn Iterator<Item = wasmparser::ValType>,
) -> String {
    let list = |types: &mut dyn Iterator<Item = wasmparser::ValType>| {
        types.map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ")
    };
    format!("({}) -> ({})", list(params), list(results))
}

/// The known name that is most like an unknown one: another module's same name first, then few edits. Time: one comparison with each
/// known name, and both are bounded.
fn closest(unknown: &(String, String), host: &HostTable) -> Option<String> {
    let written = format!("{}.{}", unknown.0, unknown.1);
    let distance = |(module, name): &(String, String)| {
        if *name == unknown.1 {
            return 1;
        }
        strsim::osa_distance(&written, &format!("{module}.{name}"))
    };
    let (best, edits) = host.keys().map(|key| (key, distance(key))).min_by_key(|(_, edits)| *edits)?;
    let near = edits <= 1 + written.chars().count() / 3;
    near.then(|| format!("{}.{}", best.0, best.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Rate;

    fn host() -> HostTable {
        let function = || HostFunction {
            params: vec![Value::I32],
            results: vec![],
            price: Rate::new(10, 0, 0),
            open_ended: false,
        };
        ["get32", "set32", "get64", "emit", "revert"]
            .into_iter()
            .map(|name| (("svm".to_string(), name.to_string()), function()))
            .collect()
    }

    fn meant(module: &str, name: &str) -> Option<String> {
        closest(&(module.to_string(), name.to_string()), &host())
    }

    #[test]
    fn the_name_that_was_meant() {
        assert_eq!(meant("svm", "get23").as_deref(), Some("svm.get32"));
        assert_eq!(meant("svm", "emitt").as_deref(), Some("svm.emit"));
        assert_eq!(meant("env", "revert").as_deref(), Some("svm.revert"));
        assert_eq!(meant("wasi_snapshot_preview1", "fd_write"), None);
    }
}
