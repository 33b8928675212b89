//! What a contract's module becomes.

use crate::function::{Function, Kind};
use crate::model::{Contract, Field, Named, Shape, Variant};
use crate::{client, document};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

/// Puts and takes fields, in their order.
fn put(fields: &[Field]) -> TokenStream {
    let names = fields.iter().map(|field| &field.name);
    quote!(#( ::replicode_contract::Value::put(#names, __out); )*)
}

fn take(fields: &[Field]) -> TokenStream {
    let (names, types): (Vec<_>, Vec<_>) = fields.iter().map(|field| (&field.name, &field.ty)).unzip();
    quote!(#( let #names = <#types as ::replicode_contract::Value>::take(__from)?; )*)
}

fn lengths(fields: &[Field]) -> TokenStream {
    let types = fields.iter().map(|field| &field.ty);
    quote!(::replicode_contract::value::sum(&[#( <#types as ::replicode_contract::Value>::MAX_LEN ),*]))
}

fn names(fields: &[Field]) -> TokenStream {
    let names = fields.iter().map(|field| &field.name);
    if fields.is_empty() { quote!() } else { quote!({ #(#names),* }) }
}

fn value(named: &Named) -> TokenStream {
    let name = &named.name;
    let (max, put, take) = match &named.shape {
        Shape::Struct(fields) => {
            let (max, put, take, names) = (lengths(fields), put(fields), take(fields), names(fields));
            (max, quote!(let #name #names = self; #put), quote!(#take ::core::option::Option::Some(#name #names)))
        }
        Shape::Enum(variants) => {
            let lengths = variants.iter().map(|variant| lengths(&variant.fields));
            let puts = (0u8..).zip(variants).map(|(number, variant)| {
                let (word, names, put) = (&variant.name, names(&variant.fields), put(&variant.fields));
                quote!(#name::#word #names => { __out.push(#number); #put })
            });
            let takes = (0u8..).zip(variants).map(|(number, variant)| {
                let (word, names, take) = (&variant.name, names(&variant.fields), take(&variant.fields));
                quote!(#number => { #take ::core::option::Option::Some(#name::#word #names) })
            });
            (
                quote!(::replicode_contract::value::longest(&[#(#lengths),*])),
                quote!(match self { #(#puts)* }),
                quote!(match <u8 as ::replicode_contract::Value>::take(__from)? {
                    #(#takes)*
                    _ => ::core::option::Option::None,
                }),
            )
        }
    };
    quote! {
        impl ::replicode_contract::Value for #name {
            const MAX_LEN: ::core::option::Option<usize> = #max;
            #[allow(unused_variables)]
            fn put(&self, __out: &mut ::replicode_contract::Vec<u8>) { #put }
            #[allow(unused_variables)]
            fn take(__from: &mut &[u8]) -> ::core::option::Option<Self> { #take }
        }
    }
}

fn event(number: u32, named: &Named) -> TokenStream {
    let name = &named.name;
    let value = value(named);
    quote! {
        #value
        impl ::replicode_contract::Event for #name {
            const NUMBER: u32 = #number;
            fn fields(&self) -> ::replicode_contract::Vec<u8> { ::replicode_contract::Value::encode(self) }
        }
    }
}

fn error(named: &Named) -> TokenStream {
    let name = &named.name;
    let variants: &[Variant] = match &named.shape {
        Shape::Enum(variants) => variants,
        Shape::Struct(_) => &[],
    };
    let codes = variants.iter().map(|variant| {
        let (word, code) = (&variant.name, variant.code);
        quote!(#name::#word { .. } => #code,)
    });
    let puts = variants.iter().map(|variant| {
        let (word, names, put) = (&variant.name, names(&variant.fields), put(&variant.fields));
        quote!(#name::#word #names => { #put })
    });
    let takes = variants.iter().map(|variant| {
        let (word, code, names, take) = (&variant.name, variant.code, names(&variant.fields), take(&variant.fields));
        quote!(#code => { #take #name::#word #names })
    });
    let failed = variants.iter().filter(|variant| variant.call_failed).map(|variant| {
        let word = &variant.name;
        quote! {
            impl ::core::convert::From<::replicode_contract::CallError> for #name {
                fn from(__error: ::replicode_contract::CallError) -> Self {
                    #name::#word { status: __error.status, code: __error.code() }
                }
            }
        }
    });
    quote! {
        impl ::replicode_contract::ContractError for #name {
            fn code(&self) -> u32 {
                match self { #(#codes)* }
            }
            #[allow(unused_variables, unused_mut)]
            fn fields(&self) -> ::replicode_contract::Vec<u8> {
                let mut __fields = ::replicode_contract::Vec::new();
                let __out = &mut __fields;
                match self { #(#puts)* }
                __fields
            }
            #[allow(unused_mut, unused_variables)]
            fn from_parts(__code: u32, mut __fields: &[u8]) -> ::core::option::Option<Self> {
                let __from = &mut __fields;
                let __error = match __code {
                    #(#takes)*
                    _ => return ::core::option::Option::None,
                };
                __from.is_empty().then_some(__error)
            }
        }
        #(#failed)*
    }
}

/// What an export does: arguments in, the function, its answer out.
fn entry(contract: &Contract, function: &Function) -> TokenStream {
    let (storage, name) = (&contract.storage, &function.name);
    let entry = format_ident!("__run_{}", name);
    let (names, types): (Vec<_>, Vec<_>) = function.arguments.iter().map(|a| (&a.name, &a.ty)).unzip();
    let give = match function.error {
        Some(_) => quote!(::replicode_contract::entry::give_result(&__answer)),
        None => quote!(::replicode_contract::entry::give(&__answer)),
    };
    let text = name.to_string();
    let export = format_ident!("__export_{}", name);
    quote! {
        #[allow(unused_mut, unused_variables, clippy::let_unit_value)]
        fn #entry() {
            let __bytes = ::replicode_contract::entry::arguments();
            let mut __from = &__bytes[..];
            #( let #names: #types = ::replicode_contract::entry::argument(&mut __from); )*
            let mut __contract = #storage::__open();
            let __answer = __contract.#name(#(#names),*);
            #give;
        }

        #[cfg(target_family = "wasm")]
        #[unsafe(export_name = #text)]
        extern "C" fn #export() {
            #entry()
        }
    }
}

/// Constructors, as a world of tests takes them.
fn constructors(contract: &Contract) -> TokenStream {
    let storage = &contract.storage;
    let constructors = contract.functions.iter().filter(|function| function.kind == Kind::Init).map(|function| {
        let name = &function.name;
        let text = name.to_string();
        let (names, types): (Vec<_>, Vec<_>) = function.arguments.iter().map(|a| (&a.name, &a.ty)).unzip();
        let doc = format!("An account made by `{text}`.");
        quote! {
            #[doc = #doc]
            pub fn #name(#(#names: #types),*) -> ::replicode_contract::call::Init<#storage> {
                #[allow(unused_mut)]
                let mut __arguments = ::replicode_contract::Vec::new();
                #( ::replicode_contract::Value::put(&#names, &mut __arguments); )*
                ::replicode_contract::call::Init::new(#text, __arguments)
            }
        }
    });
    quote!(#(#constructors)*)
}

/// The module, with all that belongs to it.
pub(crate) fn contract(contract: &Contract) -> TokenStream {
    let mut module = contract.module.clone();
    let own = module.content.take().map(|(_, items)| items).unwrap_or_default();
    let (attributes, visibility, name) = (&module.attrs, &module.vis, &module.ident);
    let (storage, text) = (&contract.storage, &contract.name);
    let document = document::of(contract);
    let (bytes, len) = (Literal::byte_string(document.as_bytes()), document.len());
    let slices = (0u32..).zip(&contract.variables).map(|(slice, variable)| {
        let name = &variable.name;
        quote!(#name: ::replicode_contract::Field::at(#slice))
    });
    // At the place of the type, and when the module is compiled: also a contract that nobody uses yet is wrong.
    let bounded = contract.variables.iter().filter_map(|variable| crate::types::variable(&variable.ty)).map(|ty| {
        quote_spanned! { ty.span() =>
            const _: () = assert!(
                <#ty as ::replicode_contract::Value>::MAX_LEN.is_some(),
                "a variable has a greatest length: put texts, bytes and lists into a Map or List"
            );
        }
    });
    let entries = contract.functions.iter().map(|function| entry(contract, function));
    let arms = contract.functions.iter().map(|function| {
        let (text, entry) = (function.name.to_string(), format_ident!("__run_{}", function.name));
        quote!(#text => #entry(),)
    });
    let values = contract.values.iter().map(value);
    let errors = contract.errors.iter().map(error);
    let events = (0u32..).zip(&contract.events).map(|(number, named)| event(number, named));
    let client = client::structure(&syn::parse_quote!(pub), &format_ident!("Client"), &contract.functions);
    let constructors = constructors(contract);
    quote! {
        #(#attributes)*
        // Names of functions are the contract's choice: `new` makes an account, and not a struct.
        #[allow(clippy::new_ret_no_self, clippy::wrong_self_convention, clippy::len_without_is_empty)]
        #visibility mod #name {
            #(#own)*

            #(#values)*
            #(#errors)*
            #(#events)*

            impl #storage {
                #[doc(hidden)]
                fn __open() -> Self {
                    #storage { #(#slices),* }
                }
            }

            #(#bounded)*
            #(#entries)*

            #[cfg(not(target_family = "wasm"))]
            impl ::replicode_contract::Contract for #storage {
                const NAME: &'static str = #text;
                const ABI: &'static str = #document;

                fn run(__function: &str) -> bool {
                    match __function {
                        #(#arms)*
                        _ => return false,
                    }
                    #[allow(unreachable_code)]
                    true
                }
            }

            #[cfg(target_family = "wasm")]
            #[unsafe(link_section = "replicode.abi")]
            static __DOCUMENT: [u8; #len] = *#bytes;

            #client

            #[allow(dead_code)]
            impl Client {
                #constructors
            }
        }
    }
}
