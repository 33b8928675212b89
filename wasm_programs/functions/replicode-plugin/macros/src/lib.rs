//! The attribute `#[plugin]`.

use proc_macro::{TokenStream, TokenTree};

/// Makes a function the entry point of the module: `fn NAME(input: &[u8]) -> Result<Vec<u8>>`.
///
/// The function stays what it is and can be called by tests.
#[proc_macro_attribute]
pub fn plugin(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens = item.clone().into_iter();
    let mut name = None;
    while let Some(token) = tokens.next() {
        if matches!(&token, TokenTree::Ident(word) if word.to_string() == "fn") {
            name = tokens.next();
            break;
        }
    }
    let Some(TokenTree::Ident(name)) = name else {
        return r##"compile_error!("#[plugin] stands before a function: fn process(input: &[u8]) -> Result<Vec<u8>>");"##
            .parse()
            .unwrap_or_default();
    };
    let exports = format!(
        r#"
        #[cfg(target_arch = "wasm32")]
        const _: () = {{
            #[unsafe(export_name = "process")]
            extern "C" fn __process(input: *mut u8, len: usize) -> i32 {{
                ::replicode_plugin::entry(input, len, {name})
            }}
            #[unsafe(export_name = "alloc")]
            extern "C" fn __alloc(len: usize) -> *mut u8 {{
                ::replicode_plugin::alloc(len)
            }}
        }};
        "#
    );
    let mut out = item;
    out.extend(exports.parse::<TokenStream>().unwrap_or_default());
    out
}
