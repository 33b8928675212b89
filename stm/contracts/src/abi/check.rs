//! What makes a document well formed: everything that is wrong with one, at once.

use super::document::{
    Abi, AbiError, Definition, Field, Function, FunctionKind, MAX_FIELDS, MAX_ITEMS, MAX_TOPICS, Mutability,
    RESERVED_CODES, VERSION, closest,
};
use super::storage::StorageType;
use super::types::{MAX_NESTING, Type, is_name};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn errors_of(abi: &Abi) -> Vec<AbiError> {
    let mut check = Check { abi, errors: Vec::new() };
    check.document();
    check.errors
}

/// One look at a document; what is wrong is gathered.
struct Check<'a> {
    abi: &'a Abi,
    errors: Vec<AbiError>,
}

impl Check<'_> {
    fn wrong(&mut self, path: &str, why: impl Into<String>) {
        self.errors.push(AbiError { path: path.to_string(), why: why.into() });
    }

    fn document(&mut self) {
        let abi = self.abi;
        if abi.abi != VERSION {
            self.wrong("abi", format!("version {}, and this node reads version {VERSION}", abi.abi));
        }
        if abi.name.is_empty() || abi.name.len() > 64 {
            self.wrong("name", format!("{} bytes: a name has 1 to 64", abi.name.len()));
        }
        let counts = [
            ("types", abi.types.len()),
            ("functions", abi.functions.len()),
            ("errors", abi.errors.len()),
            ("events", abi.events.len()),
            ("storage", abi.storage.len()),
        ];
        for (list, count) in counts {
            if count > MAX_ITEMS {
                self.wrong(list, format!("{count} entries, more than the {MAX_ITEMS} allowed"));
            }
        }
        self.types();
        self.names("functions", abi.functions.iter().map(|f| f.name.as_str()));
        self.names("errors", abi.errors.iter().map(|e| e.name.as_str()));
        self.names("events", abi.events.iter().map(|e| e.name.as_str()));
        self.names("storage", abi.storage.iter().map(|v| v.name.as_str()));
        abi.functions.iter().for_each(|f| self.function(f));
        self.kinds();
        self.errors_and_events();
        self.storage();
    }

    fn names<'n>(&mut self, list: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            let path = format!("{list}.{}", shown(name));
            if !is_name(name) {
                self.wrong(&path, "a name is a letter or '_', then letters, digits or '_', up to 64 in all");
            }
            if !seen.insert(name) {
                self.wrong(&path, "there are two of this name");
            }
        }
    }

    fn types(&mut self) {
        let abi = self.abi;
        for (name, definition) in &abi.types {
            let path = format!("types.{}", shown(name));
            match name.parse::<Type>() {
                Ok(Type::Named(_)) if is_name(name) => {}
                Ok(_) => self.wrong(&path, "this is the name of a built-in type"),
                Err(error) => self.wrong(&path, error.why),
            }
            match definition {
                Definition::Struct(fields) if fields.is_empty() => self.wrong(&path, "a struct has at least one field"),
                Definition::Struct(fields) => self.fields(&path, fields),
                Definition::Enum(variants) => {
                    if variants.is_empty() || variants.len() > 256 {
                        self.wrong(&path, format!("{} variants: an enum has 1 to 256", variants.len()));
                    }
                    self.names(&path, variants.iter().map(|v| v.name.as_str()));
                    for variant in variants {
                        self.fields(&format!("{path}.{}", shown(&variant.name)), &variant.fields);
                    }
                }
            }
        }
        let mut depths = Depths { abi, known: BTreeMap::new() };
        for name in abi.types.keys() {
            if depths.of_named(name).is_none() {
                let why = format!("it contains itself, or is nested deeper than {MAX_NESTING}");
                self.wrong(&format!("types.{}", shown(name)), why);
            }
        }
    }

    fn fields(&mut self, path: &str, fields: &[Field]) {
        if fields.len() > MAX_FIELDS {
            self.wrong(path, format!("{} fields, more than the {MAX_FIELDS} allowed", fields.len()));
        }
        self.names(path, fields.iter().map(|f| f.name.as_str()));
        for field in fields {
            self.ty(&format!("{path}.{}", shown(&field.name)), &field.ty);
        }
    }

    fn ty(&mut self, path: &str, ty: &Type) {
        match ty {
            Type::Option(inner) | Type::List(inner) => self.ty(path, inner),
            Type::Map(key, value) => {
                self.ty(path, key);
                self.ty(path, value);
            }
            Type::Named(name) if !self.abi.types.contains_key(name) => {
                let known = self.abi.types.keys().map(String::as_str);
                let hint = closest(name, known).map(|n| format!("; did you mean {n:?}?")).unwrap_or_default();
                self.wrong(path, format!("there is no type {:?}{hint}", shown(name)));
            }
            _ => {}
        }
    }

    fn no_topics(&mut self, path: &str, fields: &[Field]) {
        if let Some(field) = fields.iter().find(|f| f.topic) {
            self.wrong(&format!("{path}.{}", shown(&field.name)), "only fields of events can be topics");
        }
    }

    fn function(&mut self, function: &Function) {
        let path = format!("functions.{}", shown(&function.name));
        let args = format!("{path}.args");
        self.fields(&args, &function.args);
        self.no_topics(&args, &function.args);
        if let Some(ty) = &function.returns {
            self.ty(&format!("{path}.returns"), ty);
        }
        let kind = function.kind;
        if function.payable && kind.mutability() == Mutability::ReadOnly {
            self.wrong(&path, format!("a function of kind {kind} only reads, so it cannot be payable"));
        }
        let takes = |types: &[Type]| function.args.iter().map(|a| &a.ty).eq(types);
        let returns_bool = function.returns == Some(Type::Bool);
        match kind {
            FunctionKind::Verify if !(returns_bool && takes(&[Type::Hash, Type::Bytes])) => {
                self.wrong(&path, "it decides on (hash of the transaction: hash, proof: bytes) and returns bool");
            }
            FunctionKind::Upgrade if !(returns_bool && takes(&[Type::Address, Type::Hash])) => {
                self.wrong(&path, "it decides on (sender: address, new template: hash) and returns bool");
            }
            FunctionKind::Init | FunctionKind::Migrate if function.returns.is_some() => {
                self.wrong(&path, format!("a function of kind {kind} returns nothing"));
            }
            _ => {}
        }
    }

    fn kinds(&mut self) {
        for kind in [FunctionKind::Verify, FunctionKind::Migrate, FunctionKind::Upgrade] {
            let count = self.abi.functions.iter().filter(|f| f.kind == kind).count();
            if count > 1 {
                self.wrong("functions", format!("{count} functions of kind {kind}, where one is allowed"));
            }
        }
    }

    fn errors_and_events(&mut self) {
        let abi = self.abi;
        let mut codes = BTreeMap::new();
        for error in &abi.errors {
            let path = format!("errors.{}", shown(&error.name));
            self.fields(&path, &error.fields);
            self.no_topics(&path, &error.fields);
            if error.code >= RESERVED_CODES {
                self.wrong(&path, format!("code {}: codes from {RESERVED_CODES} on are the runtime's", error.code));
            }
            if let Some(other) = codes.insert(error.code, &error.name) {
                self.wrong(&path, format!("code {} is {}'s already", error.code, shown(other)));
            }
        }
        for event in &abi.events {
            let path = format!("events.{}", shown(&event.name));
            self.fields(&path, &event.fields);
            let topics = event.fields.iter().filter(|f| f.topic).count();
            if topics > MAX_TOPICS {
                self.wrong(&path, format!("{topics} topics, more than the {MAX_TOPICS} allowed"));
            }
        }
    }

    fn storage(&mut self) {
        let abi = self.abi;
        let mut slices = BTreeMap::new();
        for variable in &abi.storage {
            let path = format!("storage.{}", shown(&variable.name));
            let mut ty = &variable.ty;
            loop {
                ty = match ty {
                    StorageType::List(inner) | StorageType::Map(_, inner) => inner,
                    StorageType::Value(value) => {
                        self.ty(&path, value);
                        break;
                    }
                    _ => break,
                }
            }
            if let StorageType::Value(value) = &variable.ty
                && self.errors.is_empty()
                && abi.max_len(value).is_none()
            {
                self.wrong(&path, format!("{value} has no greatest size: a variable needs one, a collection has one"));
            }
            if let Some(other) = slices.insert(variable.slice, &variable.name) {
                self.wrong(&path, format!("slice {} is {}'s already", variable.slice, shown(other)));
            }
        }
        let Some(migration) = &abi.migrate else { return };
        if abi.function_of_kind(FunctionKind::Migrate).is_none() {
            self.wrong("migrate", "it says what a function of kind migrate takes care of, and there is none");
        }
        if migration.changes.len() > 2 * MAX_ITEMS {
            self.wrong("migrate.changes", format!("{} names, more than all variables", migration.changes.len()));
        }
        self.names("migrate.changes", migration.changes.iter().map(String::as_str));
    }
}

/// How deep named types go; `None` for those that contain themselves or go deeper than [`MAX_NESTING`].
struct Depths<'a> {
    abi: &'a Abi,
    /// `None` while the type is being looked at: who meets it then has met a circle.
    known: BTreeMap<&'a str, Option<usize>>,
}

impl<'a> Depths<'a> {
    fn of_named(&mut self, name: &str) -> Option<usize> {
        // Missing types are reported elsewhere.
        let Some((name, definition)) = self.abi.types.get_key_value(name) else { return Some(1) };
        if let Some(known) = self.known.get(name.as_str()) {
            return *known;
        }
        self.known.insert(name, None);
        let fields: Vec<&'a Field> = match definition {
            Definition::Struct(fields) => fields.iter().collect(),
            Definition::Enum(variants) => variants.iter().flat_map(|v| &v.fields).collect(),
        };
        let deepest = fields.iter().try_fold(0, |deepest: usize, field| Some(deepest.max(self.of(&field.ty)?)));
        let depth = deepest.map(|d| d + 1).filter(|d| *d <= MAX_NESTING);
        self.known.insert(name, depth);
        depth
    }

    fn of(&mut self, ty: &'a Type) -> Option<usize> {
        match ty {
            Type::Option(inner) | Type::List(inner) => Some(self.of(inner)? + 1),
            Type::Map(key, value) => Some(self.of(key)?.max(self.of(value)?) + 1),
            Type::Named(name) => self.of_named(name),
            _ => Some(1),
        }
    }
}

/// A name as it appears in a message: no longer than a name may be.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tests_support::token;

    /// What the check says about the token's document after `change`.
    fn complaints(change: impl FnOnce(&mut serde_json::Value)) -> Vec<String> {
        let mut document: serde_json::Value = serde_json::from_slice(&token().to_json()).expect("written by us");
        change(&mut document);
        let bytes = serde_json::to_vec(&document).expect("a document");
        Abi::parse(&bytes).map(|_| Vec::new()).unwrap_or_else(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_written_document_reads_back() {
        assert_eq!(Abi::parse(&token().to_json()), Ok(token()));
    }

    #[test]
    fn every_complaint_comes_at_once() {
        let said = complaints(|d| {
            d["functions"][1]["args"][0]["type"] = "Poimt".into();
            d["functions"][2]["payable"] = true.into();
            d["errors"][0]["code"] = u32::MAX.into();
            d["storage"][1]["slice"] = 0.into();
            d["events"][0]["name"] = "1st".into();
        });
        assert_eq!(
            said,
            [
                "events.1st: a name is a letter or '_', then letters, digits or '_', up to 64 in all",
                "functions.transfer.args.to: there is no type \"Poimt\"; did you mean \"Point\"?",
                "functions.balance_of: a function of kind view only reads, so it cannot be payable",
                "errors.InsufficientFunds: code 4294967295: codes from 4294901760 on are the runtime's",
                "storage.balances: slice 0 is supply's already",
            ]
        );
    }

    #[test]
    fn what_is_not_the_form_says_where() {
        let errors = Abi::parse(b"{\"abi\": 1,\n \"name\": \"x\", \"nmae\": 1}").expect_err("an unknown field");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].path.starts_with("line 2 column"), "{errors:?}");
        assert!(errors[0].why.contains("nmae"), "{errors:?}");
        assert_eq!(
            Abi::parse(b"{\"abi\": 2, \"what\": 3}").expect_err("another version")[0].to_string(),
            "abi: version 2, and this node reads version 1"
        );
        let ty = complaints(|d| d["functions"][1]["args"][0]["type"] = "u7".into());
        assert!(ty[0].contains("there is no u7"), "{ty:?}");
    }

    #[test]
    fn types_that_contain_themselves_are_refused() {
        let said = complaints(|d| {
            d["types"]["Point"] = serde_json::json!({"struct": [{"name": "x", "type": "option<Side>"}]});
            d["types"]["Side"] =
                serde_json::json!({"enum": [{"name": "A", "fields": [{"name": "p", "type": "Point"}]}]});
        });
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().all(|s| s.contains("contains itself")), "{said:?}");
    }

    /// 15 structs of 64 fields each, every field the next struct: 64^15 paths from the first to the last.
    #[test]
    fn a_document_cannot_cost_more_than_its_size() {
        let mut abi = token();
        for level in 0..15 {
            let ty = if level == 14 { Type::Bool } else { Type::Named(format!("L{}", level + 1)) };
            let variant = |i: usize| super::super::Variant {
                name: format!("v{i}"),
                fields: vec![Field::new("a", ty.clone()), Field::new("b", ty.clone())],
            };
            abi.types.insert(format!("L{level}"), Definition::Enum((0..64).map(variant).collect()));
        }
        assert_eq!(abi.check(), []);
        // An enum's tag and twice the next: f(15) = 1, f(n) = 1 + 2 f(n + 1).
        let expected = (0..15).fold(1usize, |inner, _| 1 + 2 * inner);
        assert_eq!(abi.max_len(&Type::Named("L0".into())), Some(expected));
        let Some(Definition::Enum(last)) = abi.types.get_mut("L14") else { panic!("just inserted") };
        last[0].fields[0].ty = Type::Option(Box::new(Type::List(Box::new(Type::Bool))));
        assert!(!abi.check().is_empty(), "deeper than the limit");
    }

    #[test]
    fn limits_hold_at_the_limit() {
        let many = |count: usize| {
            complaints(|d| {
                d["errors"] = (0..count).map(|i| serde_json::json!({"name": format!("e{i}"), "code": i})).collect();
            })
        };
        assert_eq!(many(MAX_ITEMS), Vec::<String>::new());
        assert_eq!(many(MAX_ITEMS + 1), ["errors: 257 entries, more than the 256 allowed"]);
        let topics = |count: usize| {
            complaints(|d| {
                d["events"][0]["fields"] = (0..count)
                    .map(|i| serde_json::json!({"name": format!("f{i}"), "type": "u8", "topic": true}))
                    .collect();
            })
        };
        assert_eq!(topics(MAX_TOPICS), Vec::<String>::new());
        assert_eq!(topics(MAX_TOPICS + 1), ["events.Transfer: 5 topics, more than the 4 allowed"]);
    }

    #[test]
    fn functions_of_special_kinds_have_their_forms() {
        let said = complaints(|d| {
            d["functions"][2]["kind"] = "verify".into();
            d["functions"][0]["returns"] = "u8".into();
        });
        assert_eq!(
            said,
            [
                "functions.new: a function of kind init returns nothing",
                "functions.balance_of: it decides on (hash of the transaction: hash, proof: bytes) and returns bool",
            ]
        );
        let twice = complaints(|d| {
            for i in [1, 2] {
                d["functions"][i] = serde_json::json!({"name": format!("m{i}"), "kind": "migrate"});
            }
        });
        assert_eq!(twice, ["functions: 2 functions of kind migrate, where one is allowed"]);
        let none = complaints(|d| d["migrate"] = serde_json::json!({"changes": ["supply"]}));
        assert!(none[0].starts_with("migrate: "), "{none:?}");
    }
}
