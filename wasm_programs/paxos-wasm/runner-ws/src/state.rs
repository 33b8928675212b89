//! What the components of one process share on the host's side.

use crate::control::Control;
use crate::net::Net;
use crate::storage::Disk;
use paxos_types::Serializer;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// One per process.
pub struct State {
    /// For `wasi:*`.
    pub wasi: WasiCtx,
    /// Resources that components hold.
    pub table: ResourceTable,
    /// The host's network.
    pub net: Net,
    /// The host's serializer, once it is configured.
    pub form: Option<Serializer>,
    /// The host's storage.
    pub disk: Disk,
    /// Components may listen and connect.
    pub may_use_tcp: bool,
    /// `host-control`.
    pub control: Control,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
