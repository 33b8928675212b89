//! The document of a contract: JSON, as `docs/formats/contract-abi.md` has it. Names and types are words, so nothing has to be escaped.

use crate::model::{Contract, Field, Named, Shape, Variant};

fn list<T>(items: impl IntoIterator<Item = T>, write: impl Fn(T) -> String) -> String {
    format!("[{}]", items.into_iter().map(write).collect::<Vec<_>>().join(","))
}

fn field(field: &Field) -> String {
    let topic = if field.topic { ",\"topic\":true" } else { "" };
    format!("{{\"name\":\"{}\",\"type\":\"{}\"{topic}}}", field.name, field.text)
}

fn variant(variant: &Variant) -> String {
    match variant.fields.as_slice() {
        [] => format!("{{\"name\":\"{}\"}}", variant.name),
        fields => format!("{{\"name\":\"{}\",\"fields\":{}}}", variant.name, list(fields, field)),
    }
}

fn named(named: &Named) -> String {
    match &named.shape {
        Shape::Struct(fields) => format!("\"{}\":{{\"struct\":{}}}", named.name, list(fields, field)),
        Shape::Enum(variants) => format!("\"{}\":{{\"enum\":{}}}", named.name, list(variants, variant)),
    }
}

fn functions(contract: &Contract) -> String {
    list(&contract.functions, |function| {
        let mut text = format!("{{\"name\":\"{}\",\"kind\":\"{}\"", function.name, function.kind.word());
        if function.payable {
            text += ",\"payable\":true";
        }
        if function.reentrant {
            text += ",\"reentrant\":true";
        }
        if !function.arguments.is_empty() {
            let arguments =
                list(&function.arguments, |a| format!("{{\"name\":\"{}\",\"type\":\"{}\"}}", a.name, a.text));
            text += &format!(",\"args\":{arguments}");
        }
        if let Some((_, returns)) = &function.returns {
            text += &format!(",\"returns\":\"{returns}\"");
        }
        text + "}"
    })
}

fn errors(contract: &Contract) -> String {
    let variants = contract.errors.iter().flat_map(|named| match &named.shape {
        Shape::Enum(variants) => variants.as_slice(),
        Shape::Struct(_) => &[],
    });
    list(variants, |v| format!("{{\"name\":\"{}\",\"code\":{},\"fields\":{}}}", v.name, v.code, list(&v.fields, field)))
}

fn events(contract: &Contract) -> String {
    list(&contract.events, |named| {
        let fields = match &named.shape {
            Shape::Struct(fields) => fields.as_slice(),
            Shape::Enum(_) => &[],
        };
        format!("{{\"name\":\"{}\",\"fields\":{}}}", named.name, list(fields, field))
    })
}

/// The whole document.
pub(crate) fn of(contract: &Contract) -> String {
    let types = contract.values.iter().map(named).collect::<Vec<_>>().join(",");
    let storage = list(contract.variables.iter().enumerate(), |(slice, variable)| {
        format!("{{\"name\":\"{}\",\"type\":\"{}\",\"slice\":{slice}}}", variable.name, variable.text)
    });
    let migrations = contract.functions.iter().filter(|function| !function.changes.is_empty());
    let migrate: String = migrations
        .map(|function| {
            format!(",\"migrate\":{{\"changes\":{}}}", list(&function.changes, |name| format!("\"{name}\"")))
        })
        .collect();
    format!(
        "{{\"abi\":1,\"name\":\"{}\",\"types\":{{{types}}},\"functions\":{},\"errors\":{},\"events\":{},\"storage\":{storage}{migrate}}}",
        contract.name,
        functions(contract),
        errors(contract),
        events(contract)
    )
}
