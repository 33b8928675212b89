//! What is in a contract's module. Everything that is wrong is said at once, each at its place.

use crate::function::{self, Function, Kind, combine};
use crate::types::{self, Names};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Fields, Ident, ImplItem, Item, ItemEnum, ItemMod, ItemStruct, LitInt, LitStr, Result, Type,
};

pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) text: String,
    pub(crate) topic: bool,
}

pub(crate) struct Variant {
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Field>,
    /// Of an error.
    pub(crate) code: u32,
    /// Of an error: what `?` makes of a failed call.
    pub(crate) call_failed: bool,
}

pub(crate) enum Shape {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

pub(crate) struct Named {
    pub(crate) name: Ident,
    pub(crate) shape: Shape,
}

pub(crate) struct Contract {
    /// The module with its marks taken off.
    pub(crate) module: ItemMod,
    pub(crate) name: String,
    pub(crate) storage: Ident,
    pub(crate) variables: Vec<Field>,
    pub(crate) functions: Vec<Function>,
    pub(crate) values: Vec<Named>,
    pub(crate) errors: Vec<Named>,
    pub(crate) events: Vec<Named>,
}

/// Events and errors are numbered by these.
const RESERVED_CODES: u32 = 0xffff_0000;
const MAX_TOPICS: usize = 4;

/// Takes a mark off; whether it was there.
fn take(attributes: &mut Vec<Attribute>, mark: &str) -> Option<Attribute> {
    let at = attributes.iter().position(|attribute| attribute.path().is_ident(mark))?;
    Some(attributes.remove(at))
}

fn fields(
    fields: &mut Fields,
    names: &Names,
    text: fn(&Type, &Names) -> Result<String>,
    topics: bool,
) -> Result<Vec<Field>> {
    let named = match fields {
        Fields::Unit => return Ok(Vec::new()),
        Fields::Named(named) => named,
        Fields::Unnamed(unnamed) => {
            return Err(Error::new(unnamed.span(), "fields have names: documents and callers use them"));
        }
    };
    let mut wrong = None;
    let mut found = Vec::new();
    for field in &mut named.named {
        let topic = take(&mut field.attrs, "topic");
        if let Some(topic) = topic.as_ref().filter(|_| !topics) {
            combine(&mut wrong, Error::new(topic.span(), "#[topic] is for fields of events"));
        }
        match text(&field.ty, names) {
            Ok(text) => {
                let Some(name) = field.ident.clone() else { continue };
                found.push(Field { name, ty: field.ty.clone(), text, topic: topic.is_some() });
            }
            Err(error) => combine(&mut wrong, error),
        }
    }
    wrong.map_or(Ok(found), Err)
}

fn variants(item: &mut ItemEnum, names: &Names, errors: bool) -> Result<Vec<Variant>> {
    let mut wrong = None;
    let mut found: Vec<Variant> = Vec::new();
    if item.variants.is_empty() || item.variants.len() > 256 {
        combine(&mut wrong, Error::new(item.ident.span(), "an enum has 1 to 256 variants"));
    }
    for (place, variant) in (1u32..).zip(&mut item.variants) {
        let mut code = place;
        if let Some(mark) = take(&mut variant.attrs, "code") {
            match mark.parse_args::<LitInt>().and_then(|literal| literal.base10_parse::<u32>()) {
                Ok(given) if errors && given < RESERVED_CODES => code = given,
                Ok(_) if errors => {
                    combine(&mut wrong, Error::new(mark.span(), "codes from 0xffff0000 on are the runtime's own"))
                }
                Ok(_) => combine(&mut wrong, Error::new(mark.span(), "#[code] is for variants of errors")),
                Err(error) => combine(&mut wrong, error),
            }
        }
        let call_failed = take(&mut variant.attrs, "call_failed");
        match fields(&mut variant.fields, names, types::value, false) {
            Ok(fields) => {
                if let Some(mark) = &call_failed {
                    let form: Vec<_> = fields.iter().map(|f| (f.name.to_string(), f.text.clone())).collect();
                    if form != [("status".into(), "u32".into()), ("code".into(), "u32".to_string())] {
                        combine(
                            &mut wrong,
                            Error::new(mark.span(), "#[call_failed] is for a variant { status: u32, code: u32 }"),
                        );
                    }
                }
                found.push(Variant { name: variant.ident.clone(), fields, code, call_failed: call_failed.is_some() });
            }
            Err(error) => combine(&mut wrong, error),
        }
    }
    wrong.map_or(Ok(found), Err)
}

impl Contract {
    pub(crate) fn read(attribute: TokenStream, item: TokenStream) -> Result<Contract> {
        let mut module: ItemMod = syn::parse2(item).map_err(|error| {
            Error::new(error.span(), "#[contract] stands before a module: #[contract] mod token { … }")
        })?;
        let mut name = module.ident.to_string();
        if !attribute.is_empty() {
            let parser = syn::meta::parser(|meta| {
                if !meta.path.is_ident("name") {
                    return Err(meta.error("#[contract(name = \"…\")] is what can stand here"));
                }
                name = meta.value()?.parse::<LitStr>()?.value();
                Ok(())
            });
            syn::parse::Parser::parse2(parser, attribute)?;
        }
        let Some((_, items)) = &mut module.content else {
            return Err(Error::new(module.span(), "#[contract] needs the module's contents here: mod name { … }"));
        };
        let mut reader = Reader::default();
        reader.items(items)?;
        let Some((storage, variables)) = reader.storage else {
            return Err(Error::new(module.ident.span(), "a contract has one struct with #[storage], be it empty"));
        };
        Ok(Contract {
            module,
            name,
            storage,
            variables,
            functions: reader.functions,
            values: reader.values,
            errors: reader.errors,
            events: reader.events,
        })
    }
}

#[derive(Default)]
struct Reader {
    names: Names,
    wrong: Option<Error>,
    storage: Option<(Ident, Vec<Field>)>,
    functions: Vec<Function>,
    values: Vec<Named>,
    errors: Vec<Named>,
    events: Vec<Named>,
}

impl Reader {
    fn say(&mut self, error: Error) {
        combine(&mut self.wrong, error);
    }

    fn items(&mut self, items: &mut [Item]) -> Result<()> {
        for item in items.iter() {
            let (attributes, name) = match item {
                Item::Struct(item) => (&item.attrs, &item.ident),
                Item::Enum(item) => (&item.attrs, &item.ident),
                _ => continue,
            };
            if attributes.iter().any(|attribute| attribute.path().is_ident("value")) {
                self.names.insert(name.to_string());
            }
        }
        for item in items.iter_mut() {
            match item {
                Item::Struct(item) => self.structure(item),
                Item::Enum(item) => self.enumeration(item),
                _ => {}
            }
        }
        let storage = self.storage.as_ref().map(|(name, _)| name.clone());
        for item in items.iter_mut() {
            let Item::Impl(block) = item else { continue };
            let own = storage.as_ref().is_some_and(|name| types::is(&block.self_ty, &name.to_string()));
            for item in &mut block.items {
                let ImplItem::Fn(method) = item else { continue };
                match function::marks(&mut method.attrs) {
                    Ok(None) => {}
                    Ok(Some(_)) if !own || block.trait_.is_some() => {
                        let what = "functions of a contract are methods of its #[storage] struct itself";
                        self.say(Error::new(method.sig.ident.span(), what));
                    }
                    Ok(Some(marks)) => match function::read(marks, &method.sig, &self.names) {
                        Ok(function) => self.function(function),
                        Err(error) => self.say(error),
                    },
                    Err(error) => self.say(error),
                }
            }
        }
        self.codes();
        self.wrong.take().map_or(Ok(()), Err)
    }

    fn function(&mut self, function: Function) {
        if self.functions.iter().any(|other| other.name == function.name) {
            self.say(Error::new(function.name.span(), "another function has this name"));
        }
        let single = matches!(function.kind, Kind::Verify | Kind::Migrate | Kind::Upgrade);
        if single && self.functions.iter().any(|other| other.kind == function.kind) {
            self.say(Error::new(function.name.span(), format!("a contract has one #[{}]", function.kind.word())));
        }
        if let Some(error) = &function.error
            && !self.errors.iter().any(|known| types::is(error, &known.name.to_string()))
        {
            let what = "its error is an enum with #[error] of this module: callers are told its name";
            self.say(Error::new(error.span(), what));
        }
        self.functions.push(function);
    }

    fn structure(&mut self, item: &mut ItemStruct) {
        let marks = ["storage", "event", "value", "error"].map(|mark| take(&mut item.attrs, mark));
        let [storage, event, value, error] = marks;
        if let Some(error) = error {
            self.say(Error::new(error.span(), "#[error] is for an enum, each variant an error"));
        }
        if let Some(generic) =
            item.generics.params.first().filter(|_| storage.is_some() || event.is_some() || value.is_some())
        {
            self.say(Error::new(generic.span(), "it has no type parameters: documents say one type"));
        }
        let names = self.names.clone();
        if let Some(mark) = storage {
            if self.storage.is_some() {
                self.say(Error::new(mark.span(), "a contract has one struct with #[storage]"));
            }
            // Also where a field is wrong: its functions are looked at all the same.
            match fields(&mut item.fields, &names, types::storage, false) {
                Ok(variables) => self.storage = Some((item.ident.clone(), variables)),
                Err(error) => {
                    self.storage = Some((item.ident.clone(), Vec::new()));
                    self.say(error);
                }
            }
            return;
        }
        let Some(is_event) = event.as_ref().map(|_| true).or(value.map(|_| false)) else { return };
        match fields(&mut item.fields, &names, types::value, is_event) {
            Ok(found) => {
                if found.iter().filter(|field| field.topic).count() > MAX_TOPICS {
                    self.say(Error::new(item.ident.span(), format!("an event has at most {MAX_TOPICS} topics")));
                }
                if found.is_empty() && !is_event {
                    self.say(Error::new(item.ident.span(), "a value has a field or more"));
                }
                let named = Named { name: item.ident.clone(), shape: Shape::Struct(found) };
                if is_event { self.events.push(named) } else { self.values.push(named) }
            }
            Err(error) => self.say(error),
        }
    }

    fn enumeration(&mut self, item: &mut ItemEnum) {
        let [error, value, storage, event] =
            ["error", "value", "storage", "event"].map(|mark| take(&mut item.attrs, mark));
        for mark in [storage, event].into_iter().flatten() {
            let what = format!("#[{}] is for a struct", mark.path().to_token_stream());
            self.say(Error::new(mark.span(), what));
        }
        if error.is_none() && value.is_none() {
            return;
        }
        let names = self.names.clone();
        match variants(item, &names, error.is_some()) {
            Ok(found) => {
                let named = Named { name: item.ident.clone(), shape: Shape::Enum(found) };
                if error.is_some() { self.errors.push(named) } else { self.values.push(named) }
            }
            Err(error) => self.say(error),
        }
    }

    /// Codes and names of errors are each once, whatever enum they are in.
    fn codes(&mut self) {
        let mut seen: Vec<(u32, String)> = Vec::new();
        let mut wrong = Vec::new();
        for variant in self.errors.iter().flat_map(|named| match &named.shape {
            Shape::Enum(variants) => variants.as_slice(),
            Shape::Struct(_) => &[],
        }) {
            let name = variant.name.to_string();
            if let Some((code, _)) = seen.iter().find(|(code, other)| *code == variant.code || *other == name) {
                let what = if *code == variant.code {
                    format!("code {code} is another error's: give it one with #[code(…)]")
                } else {
                    "another error has this name".into()
                };
                wrong.push(Error::new(variant.name.span(), what));
            }
            seen.push((variant.code, name));
        }
        for error in wrong {
            self.say(error);
        }
    }
}
