//! Counts a request while the guest builds it, and checks it before it goes to wasmtime-wasi-http. That crate gives missing parts a
//! meaning, and logs a line of its own for each faulty request.

use http::uri::{Authority, PathAndQuery};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self as bindings, ErrorCode, Host as _, Method, RequestOptions, Scheme,
};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};

use super::counted::CountedHttp;
use super::names::{HANDLER, TYPES};
use crate::limits::HTTP_EXCHANGE_BYTES;
use crate::state::GuestState;

type Store<'a> = StoreContextMut<'a, GuestState>;
type Fields = Resource<FieldMap>;
type Request = Resource<HostOutgoingRequest>;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(HANDLER)?.func_wrap("handle", handle)?;
    let mut types = linker.instance(TYPES)?;
    types.resource("outgoing-request", ResourceType::host::<HostOutgoingRequest>(), drop_request)?;
    types.func_wrap("[constructor]outgoing-request", new)?;
    types.func_wrap("[method]outgoing-request.set-method", set_method)?;
    types.func_wrap("[method]outgoing-request.set-scheme", set_scheme)?;
    types.func_wrap("[method]outgoing-request.set-authority", set_authority)?;
    types.func_wrap("[method]outgoing-request.set-path-with-query", set_path)?;
    types.func_wrap("[method]outgoing-request.headers", headers)?;
    types.func_wrap("[static]outgoing-body.finish", finish)
}

fn new(mut store: Store<'_>, (fields,): (Fields,)) -> wasmtime::Result<(Request,)> {
    let mut http = store.data_mut().counted_http();
    let held = http.memory.take(fields.rep());
    let request = bindings::HostOutgoingRequest::new(&mut http.view, fields)?;
    http.memory.put(request.rep(), held);
    http.count_request(request.rep())?;
    Ok((request,))
}

fn drop_request(mut store: Store<'_>, number: u32) -> wasmtime::Result<()> {
    let mut http = store.data_mut().counted_http();
    bindings::HostOutgoingRequest::drop(&mut http.view, Request::new_own(number))?;
    http.memory.take(number);
    Ok(())
}

fn set_method(mut store: Store<'_>, (request, method): (Request, Method)) -> wasmtime::Result<(Result<(), ()>,)> {
    let number = request.rep();
    let mut http = store.data_mut().counted_http();
    let set = bindings::HostOutgoingRequest::set_method(&mut http.view, request, method)?;
    http.count_request(number)?;
    Ok((set,))
}

fn set_scheme(
    mut store: Store<'_>,
    (request, scheme): (Request, Option<Scheme>),
) -> wasmtime::Result<(Result<(), ()>,)> {
    let number = request.rep();
    let mut http = store.data_mut().counted_http();
    let set = bindings::HostOutgoingRequest::set_scheme(&mut http.view, request, scheme)?;
    http.count_request(number)?;
    Ok((set,))
}

fn set_authority(
    mut store: Store<'_>,
    (request, authority): (Request, Option<String>),
) -> wasmtime::Result<(Result<(), ()>,)> {
    let number = request.rep();
    let mut http = store.data_mut().counted_http();
    let set = bindings::HostOutgoingRequest::set_authority(&mut http.view, request, authority)?;
    http.count_request(number)?;
    Ok((set,))
}

fn set_path(mut store: Store<'_>, (request, path): (Request, Option<String>)) -> wasmtime::Result<(Result<(), ()>,)> {
    let number = request.rep();
    let mut http = store.data_mut().counted_http();
    let set = bindings::HostOutgoingRequest::set_path_with_query(&mut http.view, request, path)?;
    http.count_request(number)?;
    Ok((set,))
}

fn headers(mut store: Store<'_>, (request,): (Request,)) -> wasmtime::Result<(Fields,)> {
    let mut http = store.data_mut().counted_http();
    let fields = bindings::HostOutgoingRequest::headers(&mut http.view, request)?;
    http.count_fields(fields.rep())?;
    Ok((fields,))
}

/// The trailers of a body go with it into its task, so they count until the call ends.
fn finish(
    mut store: Store<'_>,
    (body, trailers): (Resource<HostOutgoingBody>, Option<Fields>),
) -> wasmtime::Result<(Result<(), ErrorCode>,)> {
    let CountedHttp { mut view, memory } = store.data_mut().counted_http();
    if let Some(trailers) = &trailers {
        let held = memory.take(trailers.rep());
        memory.task_memory().take(held.bytes());
    }
    match bindings::HostOutgoingBody::finish(&mut view, body, trailers) {
        Ok(()) => Ok((Ok(()),)),
        Err(error) => Ok((Err(view.convert_error_code(error)?),)),
    }
}

type Handled = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

fn handle(
    mut store: Store<'_>,
    (request, options): (Request, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<(Handled,)> {
    let CountedHttp { view, memory } = store.data_mut().counted_http();
    let asked = view.table.get_mut(&request)?;
    // The handle leaves the table, whether or not the request is sent.
    let held = memory.take(request.rep()).bytes();
    asked.path_with_query = Some(origin(asked.path_with_query.take().unwrap_or_default()));
    if let Err(what) = check(asked) {
        view.table.delete(request)?;
        store.data_mut().note_request_error(&what);
        return Ok((Err(ErrorCode::HttpRequestUriInvalid),));
    }
    store.data_mut().begin_exchange(held.saturating_add(HTTP_EXCHANGE_BYTES));
    let mut view = store.data_mut().counted_http().view;
    match view.handle(request, options) {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(view.convert_error_code(error)?),)),
    }
}

/// The origin form of a path. An empty or missing path is the root, with or without a query, as on the wire (RFC 9112, section 3.2.1).
fn origin(path: String) -> String {
    if path.is_empty() || path.starts_with('?') { format!("/{path}") } else { path }
}

/// Checks the parts that could make a URI fail. The destination is checked later.
fn check(request: &HostOutgoingRequest) -> Result<(), String> {
    let authority = request.authority.as_deref().unwrap_or_default();
    if authority.is_empty() {
        return Err("it has no authority: set it to host and port".to_owned());
    }
    if let Err(error) = authority.parse::<Authority>() {
        return Err(format!("its authority {authority:?} cannot be read: {error}"));
    }
    match request.path_with_query.as_deref().map(str::parse::<PathAndQuery>) {
        Some(Err(error)) => Err(format!("its path cannot be read: {error}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLACED: [(&str, &str); 25] = [
        (HANDLER, "handle"),
        (TYPES, "fields"),
        (TYPES, "[constructor]fields"),
        (TYPES, "[static]fields.from-list"),
        (TYPES, "[method]fields.set"),
        (TYPES, "[method]fields.delete"),
        (TYPES, "[method]fields.append"),
        (TYPES, "[method]fields.clone"),
        (TYPES, "outgoing-request"),
        (TYPES, "[constructor]outgoing-request"),
        (TYPES, "[method]outgoing-request.set-method"),
        (TYPES, "[method]outgoing-request.set-scheme"),
        (TYPES, "[method]outgoing-request.set-authority"),
        (TYPES, "[method]outgoing-request.set-path-with-query"),
        (TYPES, "[method]outgoing-request.headers"),
        (TYPES, "[method]outgoing-body.write"),
        (TYPES, "[static]outgoing-body.finish"),
        (TYPES, "incoming-response"),
        (TYPES, "[method]future-incoming-response.get"),
        (TYPES, "[method]incoming-response.headers"),
        (TYPES, "[method]future-trailers.get"),
        (TYPES, "outgoing-response"),
        (TYPES, "[constructor]outgoing-response"),
        (TYPES, "[method]outgoing-response.headers"),
        // This is the only other function that takes fields and is not replaced: no guest has a handle for it.
        (TYPES, "[static]response-outparam.set"),
    ];
    /// This one takes fields as well. It is unstable, so it is not linked, and a component that imports it is refused.
    const UNSTABLE: &str = "[method]response-outparam.send-informational";

    #[test]
    fn an_empty_path_is_the_root() {
        for (said, sent) in [("", "/"), ("?q=1", "/?q=1"), ("/a?b", "/a?b")] {
            assert_eq!(origin(said.to_owned()), sent);
        }
    }

    /// The linker would take a wrong name for one more interface, and would replace no function.
    #[test]
    fn the_names_are_those_of_the_crate() {
        let engine = wasmtime::Engine::default();
        for (interface, function) in REPLACED {
            let mut linker = Linker::<GuestState>::new(&engine);
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
            let taken = linker.instance(interface).unwrap().func_wrap(function, |_, (): ()| Ok(()));
            assert!(taken.is_err(), "{interface} has no {function}");
        }
        let mut linker = Linker::<GuestState>::new(&engine);
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
        let added = linker.instance(TYPES).unwrap().func_wrap(UNSTABLE, |_, (): ()| Ok(()));
        assert!(added.is_ok(), "{UNSTABLE} is linked: what it is given has to count");
    }
}
