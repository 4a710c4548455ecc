//! What a browser is told that shows the page, and for whom it is shown at all.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::caller::Origin;
use crate::http::problem::Problem;
use crate::shared::Shared;

/// Nothing from elsewhere, no script and no style in the markup, in no other page. The policy for referrers is not `no-referrer`, with which
/// browsers do not say from which page a form comes.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// All that is answered here says what a browser may do with it.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests for a name that is not ours.
pub(super) async fn check_host(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let checked = match request.extensions().get::<Origin>() {
        Some(origin) => shared.hosts.check(origin, request.headers()),
        None => Err(Problem::unauthorized()),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
