//! Whether a new layout may take over what an old one has stored.
//!
//! A variable keeps its value across an upgrade when name, type and place stay. Types are compared by what they are, not
//! by what they are called. What differs is a clash, unless the new document's `migrate` says that its function takes care
//! of it.

use super::document::{Abi, Definition, Field, Variable};
use super::storage::StorageType;
use super::types::Type;
use std::collections::BTreeSet;

/// Where a slice lies: page, offset, length. What a layout section gives for the slice's number.
pub type Place = (u32, u16, u16);

/// A variable that an upgrade would read wrongly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// The type is another.
    #[error("variable {name} is {new}, and what is stored is {old}: keep the type, or declare {name} in migrate")]
    Type {
        /// Its name.
        name: String,
        /// The type of what is stored.
        old: String,
        /// The new type.
        new: String,
    },
    /// The place is another.
    #[error(
        "variable {name} lies at {new}, and what is stored lies at {old}: keep the place, or declare {name} in migrate"
    )]
    Place {
        /// Its name.
        name: String,
        /// Where what is stored lies.
        old: String,
        /// The new place.
        new: String,
    },
    /// A variable that is new lies where another one's value is.
    #[error(
        "variable {name} is new and lies at {at}, where {other} is stored: choose another place, or declare {name} in migrate"
    )]
    Taken {
        /// The new one.
        name: String,
        /// Where it lies.
        at: String,
        /// What is stored there.
        other: String,
    },
    /// `migrate` declares something that is no variable before or after.
    #[error("migrate declares {name}, which neither the old layout nor the new one has")]
    Unknown {
        /// What it declares.
        name: String,
    },
}

/// One side of a comparison: a document and the places of its slices.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The document.
    pub abi: &'a Abi,
    /// Places by slice number.
    pub places: &'a [Place],
}

impl Side<'_> {
    fn place(&self, variable: &Variable) -> Option<Place> {
        self.places.get(variable.slice as usize).copied()
    }
}

/// Everything that `new` would read wrongly of what `old` has stored.
#[must_use]
pub fn clashes(old: Side<'_>, new: Side<'_>) -> Vec<Clash> {
    let declared: BTreeSet<&str> =
        new.abi.migrate.iter().flat_map(|migration| &migration.changes).map(String::as_str).collect();
    let mut clashes = Vec::new();
    for variable in &new.abi.storage {
        if declared.contains(variable.name.as_str()) {
            continue;
        }
        let name = variable.name.clone();
        match old.abi.variable(&variable.name) {
            Some(before) => {
                if !Same::new(old.abi, new.abi).storage(&before.ty, &variable.ty) {
                    let (old, new) = (before.ty.to_string(), variable.ty.to_string());
                    clashes.push(Clash::Type { name: name.clone(), old, new });
                }
                let (from, to) = (old.place(before), new.place(variable));
                if from != to || before.slice != variable.slice {
                    let (old, new) = (shown(before.slice, from), shown(variable.slice, to));
                    clashes.push(Clash::Place { name, old, new });
                }
            }
            None => {
                // The declared variables of the old layout may be built over: migrate takes care of them.
                let mut others = old.abi.storage.iter().filter(|v| !declared.contains(v.name.as_str()));
                let taken = others.find(|other| meet(&old, other, &new, variable));
                if let Some(other) = taken {
                    let at = shown(variable.slice, new.place(variable));
                    clashes.push(Clash::Taken { name, at, other: other.name.clone() });
                }
            }
        }
    }
    for name in declared {
        if old.abi.variable(name).is_none() && new.abi.variable(name).is_none() {
            clashes.push(Clash::Unknown { name: name.to_string() });
        }
    }
    clashes
}

/// Cells are found by the slice's number and bytes by its place: two variables meet in either.
fn meet(old: &Side<'_>, before: &Variable, new: &Side<'_>, variable: &Variable) -> bool {
    let overlap = match (old.place(before), new.place(variable)) {
        (Some((page, offset, length)), Some((other_page, other_offset, other_length))) => {
            let (start, other_start) = (u32::from(offset), u32::from(other_offset));
            page == other_page
                && start < other_start + u32::from(other_length)
                && other_start < start + u32::from(length)
        }
        _ => false,
    };
    overlap || before.slice == variable.slice
}

fn shown(slice: u32, place: Option<Place>) -> String {
    match place {
        Some((page, offset, length)) => format!("slice {slice} (page {page}, offset {offset}, length {length})"),
        None => format!("slice {slice}"),
    }
}

/// Equality of types across two documents: named ones by what they are.
struct Same<'a> {
    old: &'a Abi,
    new: &'a Abi,
    /// Pairs of names that are being compared or were found equal: each is looked into once.
    seen: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Same<'a> {
    fn new(old: &'a Abi, new: &'a Abi) -> Self {
        Self { old, new, seen: BTreeSet::new() }
    }

    fn storage(&mut self, old: &'a StorageType, new: &'a StorageType) -> bool {
        match (old, new) {
            (StorageType::Value(a), StorageType::Value(b)) => self.ty(a, b),
            (StorageType::List(a), StorageType::List(b)) => self.storage(a, b),
            (StorageType::Map(k, a), StorageType::Map(l, b)) => k == l && self.storage(a, b),
            (a, b) => a == b,
        }
    }

    fn ty(&mut self, old: &'a Type, new: &'a Type) -> bool {
        match (old, new) {
            (Type::Option(a), Type::Option(b)) | (Type::List(a), Type::List(b)) => self.ty(a, b),
            (Type::Map(k, a), Type::Map(l, b)) => self.ty(k, l) && self.ty(a, b),
            (Type::Named(a), Type::Named(b)) => {
                if !self.seen.insert((a, b)) {
                    return true;
                }
                match (self.old.types.get(a), self.new.types.get(b)) {
                    (Some(Definition::Struct(a)), Some(Definition::Struct(b))) => self.fields(a, b),
                    (Some(Definition::Enum(a)), Some(Definition::Enum(b))) => {
                        // A variant more at the end changes nothing that is stored, if the place stays large enough.
                        a.len() <= b.len()
                            && a.iter().zip(b).all(|(a, b)| a.name == b.name && self.fields(&a.fields, &b.fields))
                    }
                    _ => false,
                }
            }
            (a, b) => a == b,
        }
    }

    fn fields(&mut self, old: &'a [Field], new: &'a [Field]) -> bool {
        old.len() == new.len() && old.iter().zip(new).all(|(a, b)| a.name == b.name && self.ty(&a.ty, &b.ty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::document::{Function, FunctionKind, Migration, Variant};
    use crate::abi::tests_support::token;

    const PLACES: [Place; 4] = [(0, 0, 16), (0, 16, 32), (0, 48, 21), (1, 0, 16)];

    fn said(places: &[Place], change: impl FnOnce(&mut Abi)) -> Vec<String> {
        let old = token();
        let mut new = token();
        change(&mut new);
        let found = clashes(Side { abi: &old, places: &PLACES }, Side { abi: &new, places });
        found.iter().map(ToString::to_string).collect()
    }

    fn declare(abi: &mut Abi, changes: &[&str]) {
        abi.functions.push(Function {
            name: "migrate".into(),
            kind: FunctionKind::Migrate,
            payable: false,
            reentrant: false,
            args: vec![],
            returns: None,
            gas: None,
        });
        abi.migrate = Some(Migration { changes: changes.iter().map(ToString::to_string).collect() });
    }

    fn variable(name: &str, ty: &str, slice: u32) -> Variable {
        Variable { name: name.into(), ty: ty.parse().expect("a type"), slice }
    }

    #[test]
    fn what_stays_and_what_is_added_does_not_clash() {
        assert_eq!(said(&PLACES, |_| ()), Vec::<String>::new());
        assert_eq!(said(&PLACES, |new| new.storage.push(variable("paused", "u128", 3))), Vec::<String>::new());
        assert_eq!(said(&PLACES, |new| drop(new.storage.remove(0))), Vec::<String>::new());
    }

    #[test]
    fn another_type_is_refused_unless_migrate_declares_it() {
        let change = |new: &mut Abi| new.storage[0].ty = "i128".parse().expect("a type");
        assert_eq!(
            said(&PLACES, change),
            ["variable supply is i128, and what is stored is u128: keep the type, or declare supply in migrate"]
        );
        let declared = |new: &mut Abi| {
            change(new);
            declare(new, &["supply"]);
        };
        assert_eq!(said(&PLACES, declared), Vec::<String>::new());
    }

    #[test]
    fn another_place_is_refused_unless_migrate_declares_it() {
        let moved = [(0, 100, 16), PLACES[1], PLACES[2]];
        assert_eq!(
            said(&moved, |_| ()),
            ["variable supply lies at slice 0 (page 0, offset 100, length 16), and what is stored lies at \
              slice 0 (page 0, offset 0, length 16): keep the place, or declare supply in migrate"]
        );
        assert_eq!(said(&moved, |new| declare(new, &["supply"])), Vec::<String>::new());
        // The same bytes under another number: cells are found by number.
        let renumbered = |new: &mut Abi| new.storage[0].slice = 3;
        let same_bytes = [(9, 0, 1), PLACES[1], PLACES[2], PLACES[0]];
        assert_eq!(said(&same_bytes, renumbered).len(), 1);
    }

    #[test]
    fn a_new_variable_over_an_old_ones_value_is_refused() {
        let over = [(0, 4, 8), PLACES[1], PLACES[2]];
        let replace = |new: &mut Abi| new.storage[0] = variable("limit", "u128", 0);
        assert_eq!(
            said(&over, replace),
            ["variable limit is new and lies at slice 0 (page 0, offset 4, length 8), where supply is stored: \
              choose another place, or declare limit in migrate"]
        );
        for by in ["limit", "supply"] {
            let declared = |new: &mut Abi| {
                replace(new);
                declare(new, &[by]);
            };
            assert_eq!(said(&over, declared), Vec::<String>::new(), "{by}");
        }
        // Next to it is not over it.
        let beside = [(0, 69, 16), PLACES[1], PLACES[2], (0, 69, 16)];
        assert_eq!(said(&beside, |new| new.storage[0] = variable("limit", "u128", 3)), Vec::<String>::new());
    }

    #[test]
    fn named_types_are_compared_by_what_they_are() {
        let old_with = |abi: &mut Abi, name: &str| {
            let point = abi.types.remove("Point").expect("it has one");
            abi.types.insert(name.into(), point);
            abi.storage[0].ty = name.parse().expect("a name");
        };
        let (mut old, mut new) = (token(), token());
        old_with(&mut old, "Place");
        old_with(&mut new, "Spot");
        let compare = |new: &Abi| clashes(Side { abi: &old, places: &PLACES }, Side { abi: new, places: &PLACES });
        assert_eq!(compare(&new), [], "renamed");
        if let Some(Definition::Struct(fields)) = new.types.get_mut("Spot") {
            fields.swap(0, 1);
        }
        assert!(matches!(compare(&new)[..], [Clash::Type { .. }]), "fields in another order");
    }

    #[test]
    fn an_enum_may_grow_at_its_end() {
        let (mut old, mut new) = (token(), token());
        for abi in [&mut old, &mut new] {
            abi.storage[0].ty = "Side".parse().expect("a name");
        }
        let compare = |new: &Abi| clashes(Side { abi: &old, places: &PLACES }, Side { abi: new, places: &PLACES });
        let Some(Definition::Enum(variants)) = new.types.get_mut("Side") else { panic!("it has one") };
        variants.push(Variant { name: "Hold".into(), fields: vec![] });
        assert_eq!(compare(&new), []);
        let Some(Definition::Enum(variants)) = new.types.get_mut("Side") else { panic!("it has one") };
        variants.rotate_left(1);
        assert!(matches!(compare(&new)[..], [Clash::Type { .. }]));
    }

    #[test]
    fn migrate_declares_variables_only() {
        assert_eq!(
            said(&PLACES, |new| declare(new, &["suply"])),
            ["migrate declares suply, which neither the old layout nor the new one has"]
        );
    }
}
