//! Host functions, from the table: every row becomes a typed function of the engine.

use super::lend::{Frame, enter};
use super::settings::ContractSettings;
use replicode_contracts::abi::host;
use wasmtime::{Caller, Engine, Linker};

macro_rules! link_rows {
    ([$linker:ident, $settings:ident] $($group:ident { $( $(#[doc = $doc:literal])+ $name:ident ( $($param:ident : $ty:ident),* )
        ( $($result:ident)? ) = $price:tt $charge:ident $(($bytes:literal))? ; )* })*) => {
        $($({
            const CHARGE: host::Charge = host::Charge::$charge $(($bytes))?;
            if $settings.debug || !matches!(CHARGE, host::Charge::Debug) {
                $linker.func_wrap(host::MODULE, stringify!($name), |caller: Caller<'_, Frame> $(, $param: $ty)*| {
                    enter(caller, const { CHARGE.settles() }, |cx| host::$group::$name(cx $(, $param)*))
                })?;
            }
        })*)*
    };
}

/// A linker with all host functions that there are.
pub(super) fn build(engine: &Engine, settings: &ContractSettings) -> wasmtime::Result<Linker<Frame>> {
    let mut linker = Linker::new(engine);
    replicode_contracts::for_each_host_function!(link_rows, linker, settings);
    Ok(linker)
}
