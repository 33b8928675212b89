//! `contract bindings`: a typed client from a document, in one of several languages. A language more is a file of templates more.

use super::check;
use crate::{Usage, show};
use anyhow::{Context, Result, bail};
use replicode_contracts::abi::{Abi, Definition, Field, Function, FunctionKind, Type};
use std::fmt::Write as _;
use std::path::Path;

/// How a language says things. `{…}` is filled in.
struct Language {
    name: &'static str,
    /// Before everything: `{name}` as the document has it, `{title}` as a type is called.
    head: &'static str,
    /// One for each function: `{function}`, `{args}` with their types, `{pass}`, `{returns}`, `{kind}`.
    call: &'static str,
    view: &'static str,
    init: &'static str,
    /// After everything.
    tail: &'static str,
    /// One argument where a function is declared, and where it is passed on.
    declared: fn(&Abi, &Field) -> String,
    passed: fn(&Field) -> String,
    /// What a function gives.
    returns: fn(&Abi, Option<&Type>) -> String,
    /// A struct or an enum of the document; nothing where the language needs none.
    definition: fn(&Abi, &str, &Definition) -> String,
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "rust",
        head: "// Made of the document of {name} by 'replicode contract bindings': typed calls, inside a module with #[contract].\n\n/// {title}.\n#[interface]\npub trait {title} {\n",
        call: "    #[call]\n    fn {function}(&mut self{args}){returns};\n",
        view: "    #[view]\n    fn {function}(&self{args}){returns};\n",
        init: "",
        tail: "}\n",
        declared: |_, field| format!(", {}: {}", field.name, rust(&field.ty)),
        passed: |_| String::new(),
        returns: |_, ty| ty.map(|ty| format!(" -> {}", rust(ty))).unwrap_or_default(),
        definition: |_, name, definition| rust_definition(name, definition),
    },
    Language {
        name: "python",
        head: include_str!("bindings/python.head"),
        call: "    def {function}(self{args}, *, by, gas=None, value=None, dry_run=False):\n        \"\"\"Calls {function}: a receipt, whose 'returned' is {returns}. A failure is raised.\"\"\"\n        return self._call(\"{function}\", {{pass}}, by, gas, value, dry_run)\n\n",
        view: "    def {function}(self{args}, *, at=None):\n        \"\"\"Asks {function}: {returns}.\"\"\"\n        return self._view(\"{function}\", {{pass}}, at)\n\n",
        init: "    @classmethod\n    def {function}(cls{args}, *, by, template=\"{name}\", name=None, gas=None, value=None, where=()):\n        \"\"\"Makes an account by {function}: a client of it.\"\"\"\n        return cls._spawn(template, \"{function}\", {{pass}}, by, name, gas, value, where)\n\n",
        tail: "",
        declared: |_, field| format!(", {}: {}", field.name, python(&field.ty)),
        passed: |field| format!("\"{}\": {}, ", field.name, field.name),
        returns: |_, ty| ty.map_or("nothing".into(), |ty| format!("of type {ty}")),
        definition: |_, _, _| String::new(),
    },
];

fn rust(ty: &Type) -> String {
    match ty {
        Type::Uint(bits @ (160 | 256)) => format!("U{bits}"),
        Type::Int(bits @ (160 | 256)) => format!("I{bits}"),
        Type::Bytes => "Bytes".into(),
        Type::Text => "String".into(),
        Type::Address => "Address".into(),
        Type::Hash => "Hash".into(),
        Type::Option(inner) => format!("Option<{}>", rust(inner)),
        Type::List(inner) => format!("Vec<{}>", rust(inner)),
        Type::Map(key, value) => format!("BTreeMap<{}, {}>", rust(key), rust(value)),
        plain => plain.to_string(),
    }
}

fn rust_definition(name: &str, definition: &Definition) -> String {
    let fields = |fields: &[Field], public: &str| {
        fields.iter().fold(String::new(), |mut out, field| {
            let _ = write!(out, " {public}{}: {},", field.name, rust(&field.ty));
            out
        })
    };
    match definition {
        Definition::Struct(of) => format!("#[value]\npub struct {name} {{{} }}\n\n", fields(of, "pub ")),
        Definition::Enum(variants) => {
            let variants: Vec<String> = (variants.iter())
                .map(|variant| match variant.fields.as_slice() {
                    [] => variant.name.clone(),
                    of => format!("{} {{{} }}", variant.name, fields(of, "")),
                })
                .collect();
            format!("#[value]\npub enum {name} {{ {} }}\n\n", variants.join(", "))
        }
    }
}

fn python(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::Uint(_) | Type::Int(_) => "int",
        Type::Bytes => "bytes",
        Type::List(_) => "list",
        Type::Map(..) => "dict",
        _ => "object",
    }
}

fn fill(text: &str, parts: &[(&str, &str)]) -> String {
    parts.iter().fold(text.to_string(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn write(language: &Language, abi: &Abi) -> String {
    let title: String = abi.name.split('_').map(super::new::capital).collect();
    let names = [("name", abi.name.as_str()), ("title", title.as_str())];
    let mut out = String::new();
    for (name, definition) in &abi.types {
        out.push_str(&(language.definition)(abi, name, definition));
    }
    out.push_str(&fill(language.head, &names));
    let of = |function: &Function| match function.kind {
        FunctionKind::Call => language.call,
        FunctionKind::View => language.view,
        FunctionKind::Init => language.init,
        _ => "",
    };
    for function in &abi.functions {
        let declared: String = function.args.iter().map(|field| (language.declared)(abi, field)).collect();
        let passed: String = function.args.iter().map(language.passed).collect();
        let returns = (language.returns)(abi, function.returns.as_ref());
        let parts =
            [("function", function.name.as_str()), ("args", &declared), ("pass", &passed), ("returns", &returns)];
        out.push_str(&fill(&fill(of(function), &names), &parts));
    }
    out.push_str(language.tail);
    out
}

/// `contract bindings`.
///
/// # Errors
/// When there is no document in the file, or no such language.
pub fn run(path: &Path, language: &str) -> Result<u8> {
    let Some(found) = LANGUAGES.iter().find(|known| known.name == language) else {
        let known: Vec<&str> = LANGUAGES.iter().map(|known| known.name).collect();
        bail!(Usage(format!("there are no bindings for {language}: {} are there", known.join(" and "))));
    };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let abi = match bytes.starts_with(b"\0asm") {
        true => check::document(&bytes)?,
        false => Abi::parse(&bytes).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{} is no document of a contract: {}", path.display(), lines.join("\n"))
        })?,
    };
    show::print(&write(found, &abi))
}
