//! `wasi:sockets/tcp`, for components that bring their network.
//!
//! `wasmtime-wasi` provides it too, and leaves Nagle's rule on, which WASI 0.2 has no word for: a small frame then waits for the
//! acknowledgement of the one before, and the system at the other end, for more to acknowledge with it
//! (docs/decisions/0018-paxos-connections.md). Here every connection is without. Everything else of WASI is `wasmtime-wasi`'s.
//!
//! | file | idea |
//! |---|---|
//! | `socket` | a socket from its creation to its connection, or to those that it accepts |
//! | `streams` | the two directions of a connection |
//! | `host` | the interfaces over these |

mod host;
mod socket;
mod streams;
#[cfg(test)]
mod tests;

pub use socket::Socket;

use crate::state::State;
use wasmtime::component::{HasSelf, Linker};

#[allow(missing_docs, clippy::pedantic, clippy::unwrap_used)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../shared/wit",
        inline: "
            package replicode:paxos-sockets;
            world sockets {
                import wasi:sockets/tcp@0.2.12;
                import wasi:sockets/tcp-create-socket@0.2.12;
            }
        ",
        world: "replicode:paxos-sockets/sockets",
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
            "wasi:sockets/tcp.tcp-socket": crate::tcp::Socket,
        },
        imports: { default: trappable },
        require_store_data_send: true,
    });
}

/// Defines the two interfaces, in the place of those that may be there.
///
/// # Errors
/// When the linker refuses a definition.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use bindings::wasi::sockets::{tcp, tcp_create_socket};
    type Own = HasSelf<State>;
    linker.allow_shadowing(true);
    tcp::add_to_linker::<_, Own>(linker, |state| state)?;
    tcp_create_socket::add_to_linker::<_, Own>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}
