//! Reads the parts of a request besides the event.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::accept::Beside;
use super::caller::Caller;
use super::extract::Query;
use super::outcomes::WaitQuery;
use super::owner_query::OwnerQuery;
use super::problem::Problem;
use crate::access::Needs;

/// The caller, the owner and the wait of an event's request. A caller that may not report events is refused.
pub(crate) struct BesideEvent {
    caller: Caller,
    owner: OwnerQuery,
    wait: WaitQuery,
    headers: HeaderMap,
}

impl BesideEvent {
    /// For an event that names its kind of owner itself: the request has not named one.
    pub(crate) fn borrowed(&self) -> Beside<'_> {
        let Self { caller, owner, wait, headers } = self;
        Beside { caller, owner, wait, headers, kind: None }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BesideEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.needs(Needs::Own)?;
        let Query(owner) = Query::<OwnerQuery>::from_request_parts(parts, state).await?;
        let Query(wait) = Query::<WaitQuery>::from_request_parts(parts, state).await?;
        Ok(Self { caller, owner, wait, headers: parts.headers.clone() })
    }
}
