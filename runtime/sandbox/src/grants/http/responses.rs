//! Counts responses: those of servers, with their headers and trailers, and those that a guest makes, though it has no use for them.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{self as bindings, ErrorCode};
use wasmtime_wasi_http::p2::body::HostFutureTrailers;
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingResponse};

use super::counted::CountedHttp;
use super::names::TYPES;
use crate::state::GuestState;

type Fields = Resource<FieldMap>;
type Incoming = Resource<HostIncomingResponse>;
type Outgoing = Resource<HostOutgoingResponse>;
type Store<'a> = StoreContextMut<'a, GuestState>;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.resource("incoming-response", ResourceType::host::<HostIncomingResponse>(), drop_incoming)?;
    types.resource("outgoing-response", ResourceType::host::<HostOutgoingResponse>(), drop_outgoing)?;
    types.func_wrap("[method]future-incoming-response.get", get)?;
    types.func_wrap("[method]incoming-response.headers", incoming_headers)?;
    types.func_wrap("[method]future-trailers.get", get_trailers)?;
    types.func_wrap("[constructor]outgoing-response", new)?;
    types.func_wrap("[method]outgoing-response.headers", outgoing_headers)
}

fn drop_incoming(mut store: Store<'_>, number: u32) -> wasmtime::Result<()> {
    let mut http = store.data_mut().counted_http();
    bindings::HostIncomingResponse::drop(&mut http.view, Incoming::new_own(number))?;
    http.memory.take(number);
    Ok(())
}

type ReceivedResponse = Option<Result<Result<Incoming, ErrorCode>, ()>>;

fn get(
    mut store: Store<'_>,
    (future,): (Resource<HostFutureIncomingResponse>,),
) -> wasmtime::Result<(ReceivedResponse,)> {
    let CountedHttp { mut view, memory } = store.data_mut().counted_http();
    let got = bindings::HostFutureIncomingResponse::get(&mut view, future)?;
    if let Some(Ok(Ok(response))) = &got {
        memory.count_fields(response.rep(), &view.table.get(response)?.headers);
    }
    Ok((got,))
}

fn incoming_headers(mut store: Store<'_>, (response,): (Incoming,)) -> wasmtime::Result<(Fields,)> {
    let mut http = store.data_mut().counted_http();
    let fields = bindings::HostIncomingResponse::headers(&mut http.view, response)?;
    http.count_fields(fields.rep())?;
    Ok((fields,))
}

type ReceivedTrailers = Option<Result<Result<Option<Fields>, ErrorCode>, ()>>;

fn get_trailers(
    mut store: Store<'_>,
    (future,): (Resource<HostFutureTrailers>,),
) -> wasmtime::Result<(ReceivedTrailers,)> {
    let mut http = store.data_mut().counted_http();
    let got = bindings::HostFutureTrailers::get(&mut http.view, future)?;
    if let Some(Ok(Ok(Some(fields)))) = &got {
        http.count_fields(fields.rep())?;
    }
    Ok((got,))
}

fn new(mut store: Store<'_>, (fields,): (Fields,)) -> wasmtime::Result<(Outgoing,)> {
    let mut http = store.data_mut().counted_http();
    let held = http.memory.take(fields.rep());
    let response = bindings::HostOutgoingResponse::new(&mut http.view, fields)?;
    http.memory.put(response.rep(), held);
    Ok((response,))
}

fn outgoing_headers(mut store: Store<'_>, (response,): (Outgoing,)) -> wasmtime::Result<(Fields,)> {
    let mut http = store.data_mut().counted_http();
    let fields = bindings::HostOutgoingResponse::headers(&mut http.view, response)?;
    http.count_fields(fields.rep())?;
    Ok((fields,))
}

fn drop_outgoing(mut store: Store<'_>, number: u32) -> wasmtime::Result<()> {
    let mut http = store.data_mut().counted_http();
    bindings::HostOutgoingResponse::drop(&mut http.view, Outgoing::new_own(number))?;
    http.memory.take(number);
    Ok(())
}
