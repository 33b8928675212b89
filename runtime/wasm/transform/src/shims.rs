//! Host functions that are referred to, in a table or as an export, get a function of the module in their place.
//!
//! A call through a table has one price, whatever it reaches; a host function has a price of its own, which is charged where it is called. So it
//! must be called by name. The shim calls it by name, and everything that referred to the import refers to the shim. No program can tell:
//! references to functions cannot be compared.

use crate::module::{Body, Module};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ConstExpr, ElementItems, ExternalKind, Operator, TableInit};

/// Appends a shim for each host function that is referred to. `heights` gets the operand heights of the new functions.
pub(crate) fn add(module: &mut Module<'_>, heights: &mut Vec<u32>) -> BTreeMap<u32, u32> {
    let imported = module.imported_count();
    let mut shims = BTreeMap::new();
    for import in referred(module).into_iter().filter(|function| *function < imported) {
        let Some(type_index) = module.type_index(import) else { continue };
        let Some(ty) = module.types.get(type_index as usize) else { continue };
        let (params, results) = (ty.params().len() as u32, ty.results().len() as u32);
        let mut ops: Vec<_> = (0..params).map(|local_index| Operator::LocalGet { local_index }).collect();
        ops.push(Operator::Call { function_index: import });
        ops.push(Operator::End);
        shims.insert(import, imported + module.functions.len() as u32);
        module.functions.push(type_index);
        module.code.push(Body { locals: Vec::new(), at: vec![0; ops.len()], ops });
        heights.push(params.max(results));
    }
    for export in module.exports.iter_mut().filter(|export| export.kind == ExternalKind::Func) {
        export.index = shims.get(&export.index).copied().unwrap_or(export.index);
    }
    shims
}

/// All functions that are referred to otherwise than by a direct call.
fn referred(module: &Module<'_>) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut expression = |expr: &ConstExpr<'_>| {
        let ops = expr.get_operators_reader().into_iter().map_while(Result::ok);
        found.extend(ops.filter_map(|op| match op {
            Operator::RefFunc { function_index } => Some(function_index),
            _ => None,
        }));
    };
    for global in &module.globals {
        expression(&global.init_expr);
    }
    for table in &module.tables {
        if let TableInit::Expr(expr) = &table.init {
            expression(expr);
        }
    }
    for element in &module.elements {
        if let ElementItems::Expressions(_, items) = &element.items {
            items.clone().into_iter().map_while(Result::ok).for_each(|expr| expression(&expr));
        }
    }
    for element in &module.elements {
        if let ElementItems::Functions(items) = &element.items {
            found.extend(items.clone().into_iter().map_while(Result::ok));
        }
    }
    for body in &module.code {
        found.extend(body.ops.iter().filter_map(|op| match op {
            Operator::RefFunc { function_index } => Some(*function_index),
            _ => None,
        }));
    }
    let exports = module.exports.iter().filter(|export| export.kind == ExternalKind::Func);
    found.extend(exports.map(|export| export.index));
    found
}
