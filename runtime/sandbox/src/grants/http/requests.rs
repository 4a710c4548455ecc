//! A request as the guest put it together, looked at before it goes to wasmtime-wasi-http: what is left out there has a
//! meaning, and what is wrong there becomes a line of that crate's in the log of whoever runs us, for each request.

use http::uri::{Authority, PathAndQuery};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Host as _, RequestOptions};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};

use crate::state::GuestState;

/// The interfaces by the names under which wasmtime-wasi-http 48 links them. What guests import is matched by version.
pub(super) const TYPES: &str = "wasi:http/types@0.2.12";
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(HANDLER)?.func_wrap("handle", handle)
}

type Handled = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

fn handle(
    mut store: StoreContextMut<'_, GuestState>,
    (request, options): (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<(Handled,)> {
    let mut view = store.data_mut().http();
    let asked = view.table.get_mut(&request)?;
    asked.path_with_query = Some(origin(asked.path_with_query.take().unwrap_or_default()));
    if let Err(what) = check(asked) {
        view.table.delete(request)?;
        store.data_mut().note_http_trouble(&what);
        return Ok((Err(ErrorCode::HttpRequestUriInvalid),));
    }
    match view.handle(request, options) {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(view.convert_error_code(error)?),)),
    }
}

/// A path that is empty, or was never said, is the root, with or without a query: so it is written on the wire (RFC 9112,
/// section 3.2.1).
fn origin(path: String) -> String {
    if path.is_empty() || path.starts_with('?') { format!("/{path}") } else { path }
}

/// What makes a URI of its parts fail. Where the request may go is decided later, by what it says.
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

    #[test]
    fn an_empty_path_is_the_root() {
        for (said, sent) in [("", "/"), ("?q=1", "/?q=1"), ("/a?b", "/a?b")] {
            assert_eq!(origin(said.to_owned()), sent);
        }
    }

    /// The linker would take another name for one more interface, and nothing would be replaced.
    #[test]
    fn the_names_are_those_of_the_crate() {
        let engine = wasmtime::Engine::default();
        for (interface, function) in [(TYPES, "[method]outgoing-body.write"), (HANDLER, "handle")] {
            let mut linker = Linker::<GuestState>::new(&engine);
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
            let taken = linker.instance(interface).unwrap().func_wrap(function, |_, (): ()| Ok(()));
            assert!(taken.is_err(), "{interface} has no {function}");
        }
    }
}
