//! Links the grant `http`: `wasi:http/outgoing-handler`. Counting functions replace those of wasmtime-wasi-http that make the host keep
//! data.

mod bodies;
pub(crate) mod counted;
mod fields;
mod names;
pub(crate) mod outgoing;
mod requests;
mod responses;
mod upload;

use wasmtime::component::Linker;

use crate::state::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    fields::link(linker)?;
    bodies::link(linker)?;
    requests::link(linker)?;
    responses::link(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}
