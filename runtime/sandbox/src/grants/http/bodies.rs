//! The stream into a request's body, in place of the stream of wasmtime-wasi-http.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::body::HostOutgoingBody;

use super::names::TYPES;
use super::upload::Upload;
use crate::state::GuestState;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(TYPES)?.func_wrap("[method]outgoing-body.write", write)
}

type Written = Result<Resource<DynOutputStream>, ()>;

/// Gives the stream into a body, once.
fn write(
    mut store: StoreContextMut<'_, GuestState>,
    (body,): (Resource<HostOutgoingBody>,),
) -> wasmtime::Result<(Written,)> {
    let view = store.data_mut().http();
    let Some(stream) = view.table.get_mut(&body)?.take_output_stream() else { return Ok((Err(()),)) };
    // Only the trait of the hooks is known here.
    let (allowance, task_memory) = store.data_mut().upload();
    let upload: DynOutputStream = Box::new(Upload::new(stream, allowance, task_memory));
    let upload = store.data_mut().http().table.push_child(upload, &body)?;
    Ok((Ok(upload),))
}
