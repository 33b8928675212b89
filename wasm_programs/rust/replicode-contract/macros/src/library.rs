//! Libraries: functions without an account, linked by contracts. Their arguments and results lie down as bytes between two memories.

use crate::function::combine;
use crate::types::{self, Names};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Error, FnArg, Ident, Item, ItemMod, ItemTrait, LitStr, Pat, Path, Result, ReturnType, Signature, TraitItem, Type,
};

/// A function's arguments and what it returns.
struct Form {
    name: Ident,
    arguments: Vec<(Ident, Type)>,
    returns: Type,
}

fn form(signature: &Signature) -> Result<Form> {
    let mut wrong = None;
    let mut arguments = Vec::new();
    if let Some(generic) = signature.generics.params.first() {
        combine(&mut wrong, Error::new(generic.span(), "functions of a library have no type parameters"));
    }
    for input in &signature.inputs {
        let FnArg::Typed(input) = input else {
            combine(&mut wrong, Error::new(input.span(), "a library has no storage: leave self out"));
            continue;
        };
        let Pat::Ident(pattern) = &*input.pat else {
            combine(&mut wrong, Error::new(input.pat.span(), "an argument has a name"));
            continue;
        };
        match types::value(&input.ty, &Names::new()) {
            Ok(_) => arguments.push((pattern.ident.clone(), (*input.ty).clone())),
            Err(error) => combine(&mut wrong, error),
        }
    }
    let returns = match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => {
            if let Err(error) = types::value(ty, &Names::new()) {
                combine(&mut wrong, error);
            }
            (**ty).clone()
        }
    };
    wrong.map_or(Ok(Form { name: signature.ident.clone(), arguments, returns }), Err)
}

/// `#[library]` before a module.
pub(crate) fn library(attribute: &TokenStream, item: TokenStream) -> Result<TokenStream> {
    let module: ItemMod = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), "#[library] stands before a module: #[library] mod mathlib { … }"))?;
    if !attribute.is_empty() {
        return Err(Error::new(attribute.span(), "#[library] takes nothing"));
    }
    let Some((_, items)) = &module.content else {
        return Err(Error::new(module.span(), "#[library] needs the module's contents here: mod name { … }"));
    };
    let (mut wrong, mut forms) = (None, Vec::new());
    for item in items {
        let Item::Fn(function) = item else { continue };
        if !matches!(function.vis, syn::Visibility::Public(_)) {
            continue;
        }
        match form(&function.sig) {
            Ok(form) => forms.push(form),
            Err(error) => combine(&mut wrong, error),
        }
    }
    if let Some(error) = wrong {
        return Err(error);
    }
    let (attributes, visibility, name) = (&module.attrs, &module.vis, &module.ident);
    let document = format!("{{\"abi\":1,\"name\":\"{name}\",\"functions\":[]}}");
    let (bytes, len) = (Literal::byte_string(document.as_bytes()), document.len());
    let entries = forms.iter().map(|form| {
        let (function, text) = (&form.name, form.name.to_string());
        let (entry, export) = (format_ident!("__run_{}", function), format_ident!("__export_{}", function));
        let (names, types): (Vec<_>, Vec<_>) = form.arguments.iter().map(|(name, ty)| (name, ty)).unzip();
        quote! {
            #[allow(unused_mut, unused_variables, clippy::let_unit_value)]
            fn #entry() {
                let __bytes = ::replicode_contract::sys::passed();
                let mut __from = &__bytes[..];
                #( let #names: #types = ::replicode_contract::entry::argument(&mut __from); )*
                let __answer = #function(#(#names),*);
                ::replicode_contract::sys::pass(&::replicode_contract::Value::encode(&__answer));
            }

            #[cfg(target_family = "wasm")]
            #[unsafe(export_name = #text)]
            extern "C" fn #export() {
                #entry()
            }
        }
    });
    let arms = forms.iter().map(|form| {
        let (text, entry) = (form.name.to_string(), format_ident!("__run_{}", form.name));
        quote!(#text => #entry(),)
    });
    Ok(quote! {
        #(#attributes)*
        #visibility mod #name {
            #(#items)*
            #(#entries)*

            /// Runs a function natively, as its export would run.
            #[cfg(not(target_family = "wasm"))]
            #[doc(hidden)]
            pub fn __library(__function: &str) {
                match __function {
                    #(#arms)*
                    _ => panic!("the library has no function {__function}"),
                }
            }

            #[cfg(target_family = "wasm")]
            #[unsafe(link_section = "replicode.abi")]
            static __DOCUMENT: [u8; #len] = *#bytes;
        }
    })
}

/// What stands behind `#[interface(…)]` of a library.
pub(crate) struct Linked {
    name: LitStr,
    native: Path,
}

/// Reads `library = "mathlib", native = contract_mathlib::mathlib`.
pub(crate) fn linked(attribute: TokenStream) -> Result<Linked> {
    let span = attribute.span();
    let (mut name, mut native) = (None, None);
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("library") {
            name = Some(meta.value()?.parse::<LitStr>()?);
        } else if meta.path.is_ident("native") {
            native = Some(meta.value()?.parse::<Path>()?);
        } else {
            return Err(
                meta.error("#[interface(library = \"…\", native = path::of::its::module)] is what can stand here")
            );
        }
        Ok(())
    });
    syn::parse::Parser::parse2(parser, attribute)?;
    match (name, native) {
        (Some(name), Some(native)) => Ok(Linked { name, native }),
        _ => Err(Error::new(
            span,
            "a library has a name, and a module that runs natively in tests: library = \"…\", native = …",
        )),
    }
}

/// `#[interface(library = …)]` before a trait.
pub(crate) fn interface(linked: &Linked, item: &ItemTrait) -> Result<TokenStream> {
    let (mut wrong, mut forms) = (None, Vec::new());
    for item in &item.items {
        match item {
            TraitItem::Fn(method) if method.default.is_none() => match form(&method.sig) {
                Ok(form) => forms.push(form),
                Err(error) => combine(&mut wrong, error),
            },
            other => {
                combine(&mut wrong, Error::new(other.span(), "an interface of a library has functions without bodies"))
            }
        }
    }
    if let Some(error) = wrong {
        return Err(error);
    }
    let (visibility, name, native) = (&item.vis, &item.ident, &linked.native);
    let module = format!("lib:{}", linked.name.value());
    let functions = forms.iter().map(|form| {
        let (function, returns, text) = (&form.name, &form.returns, form.name.to_string());
        let (names, types): (Vec<_>, Vec<_>) = form.arguments.iter().map(|(name, ty)| (name, ty)).unzip();
        let doc = format!("`{text}` of the library.");
        quote! {
            #[doc = #doc]
            pub fn #function(#(#names: #types),*) -> #returns {
                #[allow(unused_mut)]
                let mut __arguments = ::replicode_contract::Vec::new();
                #( ::replicode_contract::Value::put(&#names, &mut __arguments); )*
                ::replicode_contract::sys::pass(&__arguments);
                #[cfg(target_family = "wasm")]
                {
                    #[link(wasm_import_module = #module)]
                    unsafe extern "C" {
                        #[link_name = #text]
                        safe fn __linked();
                    }
                    __linked();
                }
                #[cfg(not(target_family = "wasm"))]
                #native::__library(#text);
                let __bytes = ::replicode_contract::sys::passed();
                ::replicode_contract::entry::argument(&mut &__bytes[..])
            }
        }
    });
    Ok(quote! {
        /// Functions of a library, which run in this account.
        #visibility struct #name;

        #[allow(dead_code)]
        impl #name {
            #(#functions)*
        }
    })
}
