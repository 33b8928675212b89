//! A function of a contract or of an interface, and the rules for it.

use crate::types::{self, Names};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, Pat, Result, ReturnType, Signature, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Init,
    Call,
    View,
    Verify,
    Migrate,
    Upgrade,
}

impl Kind {
    fn of(word: &Ident) -> Option<Kind> {
        Some(match word.to_string().as_str() {
            "init" => Kind::Init,
            "call" => Kind::Call,
            "view" => Kind::View,
            "verify" => Kind::Verify,
            "migrate" => Kind::Migrate,
            "upgrade" => Kind::Upgrade,
            _ => return None,
        })
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Init => "init",
            Kind::Call => "call",
            Kind::View => "view",
            Kind::Verify => "verify",
            Kind::Migrate => "migrate",
            Kind::Upgrade => "upgrade",
        }
    }

    fn reads(self) -> bool {
        matches!(self, Kind::View | Kind::Verify | Kind::Upgrade)
    }
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) text: String,
}

pub(crate) struct Function {
    pub(crate) kind: Kind,
    pub(crate) name: Ident,
    pub(crate) payable: bool,
    pub(crate) reentrant: bool,
    pub(crate) arguments: Vec<Argument>,
    /// What it returns when it succeeds, and how documents write that.
    pub(crate) returns: Option<(Type, String)>,
    /// Whether it returns a `Result`, and the type of its errors.
    pub(crate) error: Option<Type>,
    /// Of `migrate`: variables that it takes care of.
    pub(crate) changes: Vec<Ident>,
}

/// Names that are something else in the module or in clients.
const RESERVED: [&str; 3] = ["memory", "at", "address"];

/// Takes the marks off a function; nothing where it has none.
pub(crate) fn marks(attributes: &mut Vec<Attribute>) -> Result<Option<Marks>> {
    let mut marks = Marks { kind: None, payable: None, reentrant: None, changes: Vec::new() };
    let mut wrong: Option<Error> = None;
    attributes.retain(|attribute| {
        let Some(word) = attribute.path().get_ident() else { return true };
        if let Some(kind) = Kind::of(word) {
            if marks.kind.replace((kind, word.clone())).is_some() {
                combine(&mut wrong, Error::new(word.span(), "a function is of one kind"));
            }
            if kind == Kind::Migrate && attribute.meta.require_path_only().is_err() {
                match changes(attribute) {
                    Ok(names) => marks.changes = names,
                    Err(error) => combine(&mut wrong, error),
                }
            }
        } else if word == "payable" {
            marks.payable = Some(word.clone());
        } else if word == "reentrant" {
            marks.reentrant = Some(word.clone());
        } else {
            return true;
        }
        false
    });
    if let (None, Some(word)) = (&marks.kind, marks.payable.as_ref().or(marks.reentrant.as_ref())) {
        let what = format!("#[{word}] is for functions with #[init], #[call] or #[view]");
        combine(&mut wrong, Error::new(word.span(), what));
    }
    match wrong {
        Some(error) => Err(error),
        None => Ok(marks.kind.is_some().then_some(marks)),
    }
}

fn changes(attribute: &Attribute) -> Result<Vec<Ident>> {
    let mut names = Vec::new();
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("changes") {
            return Err(meta.error("#[migrate(changes(variable, …))] is what can stand here"));
        }
        meta.parse_nested_meta(|name| {
            names.push(name.path.require_ident()?.clone());
            Ok(())
        })
    })?;
    Ok(names)
}

/// Adds one complaint to others.
pub(crate) fn combine(all: &mut Option<Error>, error: Error) {
    match all {
        Some(all) => all.combine(error),
        None => *all = Some(error),
    }
}

pub(crate) struct Marks {
    kind: Option<(Kind, Ident)>,
    payable: Option<Ident>,
    reentrant: Option<Ident>,
    changes: Vec<Ident>,
}

/// A marked function.
pub(crate) fn read(marks: Marks, signature: &Signature, names: &Names) -> Result<Function> {
    let (kind, word) = match marks.kind {
        Some(kind) => kind,
        None => return Err(Error::new(signature.span(), "it has no kind")),
    };
    let mut wrong: Option<Error> = None;
    let mut say = |span, what: String| combine(&mut wrong, Error::new(span, what));
    let name = signature.ident.clone();
    if RESERVED.contains(&name.to_string().as_str()) || name.to_string().starts_with("__") {
        say(name.span(), format!("{name} is taken: give the function another name"));
    }
    if let Some(generic) = signature.generics.params.first() {
        say(generic.span(), "functions of a contract have no type parameters: their document says one type".into());
    }
    for (there, what) in [
        (signature.asyncness.as_ref().map(Spanned::span), "async"),
        (signature.unsafety.as_ref().map(Spanned::span), "unsafe"),
        (signature.abi.as_ref().map(Spanned::span), "extern"),
    ] {
        if let Some(span) = there {
            say(span, format!("functions of a contract are not {what}"));
        }
    }
    match signature.receiver() {
        None => say(
            signature.paren_token.span.join(),
            "functions of a contract are methods: take &self or &mut self".into(),
        ),
        Some(receiver) if receiver.reference.is_none() => {
            say(receiver.span(), "take &self or &mut self: storage is not moved".into());
        }
        Some(receiver) if kind.reads() && receiver.mutability.is_some() => {
            say(receiver.span(), format!("#[{}] only reads: take &self, or make it a #[call]", kind.word()));
        }
        Some(_) => {}
    }
    if let Some(payable) = marks.payable.as_ref().filter(|_| !matches!(kind, Kind::Init | Kind::Call)) {
        say(payable.span(), format!("#[{}] takes no money", kind.word()));
    }
    if let Some(reentrant) = marks.reentrant.as_ref().filter(|_| !matches!(kind, Kind::Call | Kind::View)) {
        say(reentrant.span(), format!("#[{}] is not called again", kind.word()));
    }
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        let FnArg::Typed(input) = input else { continue };
        let Pat::Ident(pattern) = &*input.pat else {
            let what = "an argument has a name: documents and callers use it";
            combine(&mut wrong, Error::new(input.pat.span(), what));
            continue;
        };
        match types::value(&input.ty, names) {
            Ok(text) => {
                arguments.push(Argument { name: pattern.ident.clone(), ty: (*input.ty).clone(), text });
            }
            Err(error) => combine(&mut wrong, error),
        }
    }
    let (mut returns, mut error) = (None, None);
    if let ReturnType::Type(_, ty) = &signature.output {
        let value = match types::result(ty) {
            Some((value, of)) => {
                error = Some(of.clone());
                value
            }
            None => &**ty,
        };
        let nothing = matches!(value, Type::Tuple(tuple) if tuple.elems.is_empty());
        if !nothing {
            match types::value(value, names) {
                Ok(text) => returns = Some((value.clone(), text)),
                Err(error) => combine(&mut wrong, error),
            }
        }
    }
    let form: Option<(&[&str], &str)> = match kind {
        Kind::Verify => Some((&["Hash", "Bytes"], "(&self, transaction: Hash, proof: Bytes) -> bool")),
        Kind::Upgrade => Some((&["Address", "Hash"], "(&self, sender: Address, template: Hash) -> bool")),
        _ => None,
    };
    if let Some((wanted, form)) = form {
        let fits =
            arguments.len() == wanted.len() && arguments.iter().zip(wanted).all(|(a, word)| types::is(&a.ty, word));
        if wrong.is_none()
            && !(fits && error.is_none() && returns.as_ref().is_some_and(|(ty, _)| types::is(ty, "bool")))
        {
            combine(&mut wrong, Error::new(signature.span(), format!("#[{word}] is {form}")));
        }
    }
    match wrong {
        Some(error) => Err(error),
        None => Ok(Function {
            kind,
            name,
            payable: marks.payable.is_some(),
            reentrant: marks.reentrant.is_some(),
            arguments,
            returns,
            error,
            changes: marks.changes,
        }),
    }
}
