//! Calls of a contract, typed.

use crate::function::{self, Function, Kind, combine};
use crate::types::Names;
use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, ItemTrait, Result, TraitItem};

/// The methods that make calls of functions. Those that the runtime calls are left out.
pub(crate) fn methods(functions: &[Function]) -> TokenStream {
    let methods =
        functions.iter().filter(|function| matches!(function.kind, Kind::Call | Kind::View)).map(|function| {
            let name = &function.name;
            let text = name.to_string();
            let names: Vec<_> = function.arguments.iter().map(|argument| &argument.name).collect();
            let types: Vec<_> = function.arguments.iter().map(|argument| &argument.ty).collect();
            let returns = function.returns.as_ref().map_or_else(|| quote!(()), |(ty, _)| quote!(#ty));
            let doc = format!("A call of `{text}`.");
            quote! {
                #[doc = #doc]
                pub fn #name(self #(, #names: #types)*) -> ::replicode_contract::Call<#returns> {
                    #[allow(unused_mut)]
                    let mut __arguments = ::replicode_contract::Vec::new();
                    #( ::replicode_contract::Value::put(&#names, &mut __arguments); )*
                    ::replicode_contract::Call::new(self.0, #text, __arguments)
                }
            }
        });
    quote!(#(#methods)*)
}

/// A struct of this name that stands for an account with these functions.
pub(crate) fn structure(visibility: &syn::Visibility, name: &syn::Ident, functions: &[Function]) -> TokenStream {
    let methods = methods(functions);
    quote! {
        /// An account, and what can be called there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #visibility struct #name(pub ::replicode_contract::Address);

        #[allow(dead_code)]
        impl #name {
            /// The one at an address.
            pub fn at(address: ::replicode_contract::Address) -> Self {
                #name(address)
            }
            /// Its address.
            pub fn address(self) -> ::replicode_contract::Address {
                self.0
            }
            #methods
        }
    }
}

/// `#[interface]` before a trait.
pub(crate) fn interface(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item: ItemTrait = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), "#[interface] stands before a trait: #[interface] pub trait Token { … }")
    })?;
    if !attribute.is_empty() {
        return crate::library::interface(&crate::library::linked(attribute)?, &item);
    }
    let mut wrong = None;
    let mut functions = Vec::new();
    for item in &mut item.items {
        let TraitItem::Fn(method) = item else {
            combine(
                &mut wrong,
                Error::new(item.span(), "an interface has functions with #[call] or #[view] and nothing else"),
            );
            continue;
        };
        if let Some(body) = &method.default {
            combine(
                &mut wrong,
                Error::new(body.span(), "an interface says what there is at another account: leave the body out"),
            );
        }
        let read = function::marks(&mut method.attrs).and_then(|marks| match marks {
            Some(marks) => function::read(marks, &method.sig, &Names::new()),
            None => Err(Error::new(method.sig.ident.span(), "say what it is: #[call] or #[view]")),
        });
        match read {
            Ok(function) if matches!(function.kind, Kind::Call | Kind::View) => functions.push(function),
            Ok(function) => {
                combine(
                    &mut wrong,
                    Error::new(function.name.span(), "an interface has functions with #[call] or #[view] only"),
                );
            }
            Err(error) => combine(&mut wrong, error),
        }
    }
    match wrong {
        Some(error) => Err(error),
        None => Ok(structure(&item.vis, &item.ident, &functions)),
    }
}
