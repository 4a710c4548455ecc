//! Lets requests in.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::{Caller, Origin};
use super::client_gone::ClientGone;
use super::problem::Problem;
use crate::shared::Shared;

/// Lets in who may ask at all, and tells the handler who it is.
pub(crate) async fn authorize(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        return Problem::unauthorized().into_response();
    };
    let caller = match caller(&shared, &origin, request.headers()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let gone = request.extensions_mut().remove::<ClientGone>();
    request.extensions_mut().insert(caller.with_client(gone));
    next.run(request).await
}

fn caller(shared: &Shared, origin: &Origin, headers: &HeaderMap) -> Result<Caller, Problem> {
    // The walls of the socket are its directory's.
    if origin.is_socket() {
        return Ok(Caller::of_socket(origin));
    }
    let token = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
    let known = token.and_then(|token| shared.tokens.find(token)).ok_or_else(Problem::unauthorized)?;
    origin.becomes_known();
    shared.rates.take(&known.name, Instant::now()).map_err(Problem::too_many_requests)?;
    if let Some(tenant) = known.access.tenant()
        && !origin.enter(tenant, &shared.connections)
    {
        let detail = "this tenant has too many connections: use one for several requests, or raise the limit";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", detail));
    }
    Ok(Caller::with_token(known, origin))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Counts requests, by what of our own they are.
pub(crate) async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    // A method that nobody knows is the client's word.
    let method = match method.as_str() {
        known @ ("DELETE" | "GET" | "HEAD" | "POST" | "PUT") => known,
        _ => "other",
    };
    shared.observer.metrics().request(method, route, response.status().as_u16());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_stands_after_bearer() {
        assert_eq!(bearer("Bearer lastword_1"), Some("lastword_1"));
        assert_eq!(bearer("bearer  lastword_1 "), Some("lastword_1"));
        assert_eq!((bearer("Basic x"), bearer("lastword_1"), bearer("")), (None, None, None));
    }
}
