//! Links the interfaces that guests can import: WASI 0.2 for all, and those that a plugin was granted.

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem;
use wasmtime_wasi_io::bindings::wasi::io::{poll, streams};

#[cfg(feature = "http")]
use crate::grants::http;
use crate::grants::{Grants, config, key_value};
use crate::host_calls::HostCall;
use crate::state::GuestState;

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links WASI 0.2 for every plugin.
pub(crate) fn link_wasi(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<_, Table>(linker, |state: &mut GuestState| state.table_for(HostCall::Poll))?;
    streams::add_to_linker::<_, Table>(linker, |state: &mut GuestState| state.table_for(HostCall::Streams))?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, |state: &mut GuestState| {
        state.context.meter.in_host_call(HostCall::Files);
        state.filesystem()
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Links the granted interfaces. An interface without its grant is not even there.
pub(crate) fn link_granted(linker: &mut Linker<GuestState>, grants: &Grants) -> wasmtime::Result<()> {
    if grants.config.is_some() {
        config::link(linker)?;
    }
    if grants.key_value.is_some() {
        key_value::link(linker)?;
    }
    #[cfg(feature = "http")]
    if grants.http.is_some() {
        http::link(linker)?;
    }
    Ok(())
}
