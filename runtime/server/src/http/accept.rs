//! Takes an event from a request: finds its tenant and its owner, and answers.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use lastword::events::{FieldError, Identity};
use lastword::{Acceptance, Accepted};
use lastword_process::NotVisible;
use lastword_protocol::input::{DEFAULT_TENANT, OwnerEvent};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::extract::op_id;
use super::outcomes::{DeliveryOutcome, WaitQuery, outcomes, status};
use super::owner_query::{OwnerQuery, check_tenant};
use super::problem::Problem;
use super::request_trace::RequestTrace;
use super::waits::wait_place;
use crate::access::Needs;
use crate::limits::MAX_OWNER_KIND_BYTES;
use crate::owners::{NotRegistered, OwnerId};
use crate::requests::{Answered, Source, is_kind, take_in, take_in_other};
use crate::shared::Shared;

/// An event that is on record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedEvent {
    /// `start`, `compaction` or `end`.
    op: &'static str,
    /// The request's `op_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    op_id: Option<String>,
    /// The session's tenant.
    tenant: String,
    /// The session's id.
    session: String,
    /// Distinguishes sessions of one id, in an owner's format that has scopes.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    /// The number of starts of the id.
    generation: u32,
    /// Whether the session was active already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    updated: bool,
    /// Why the event has no effect: `duplicate_op` or `duplicate_end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The fields that were dropped, because they did not fit or were not believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
    /// The deliveries that are owed for the event.
    deliveries: Vec<String>,
    /// The outcomes of the deliveries, if the request waited for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcomes: Option<Vec<DeliveryOutcome>>,
}

impl AcceptedEvent {
    pub(crate) fn new(answered: &Answered, accepted: &Accepted) -> Self {
        let Accepted { identity, generation, how, deliveries, .. } = accepted;
        Self {
            op: answered.op,
            op_id: answered.op_id.as_deref().map(str::to_owned),
            tenant: identity.tenant.to_string(),
            session: identity.id.to_string(),
            scope: identity.scope.to_string(),
            generation: *generation,
            updated: *how == Acceptance::Updated,
            code: answered.code(),
            dropped: answered.dropped.clone(),
            deliveries: deliveries.iter().map(ToString::to_string).collect(),
            outcomes: None,
        }
    }
}

/// The parts of a request besides the event.
pub(crate) struct Beside<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) owner: &'a OwnerQuery,
    pub(crate) wait: &'a WaitQuery,
    pub(crate) headers: &'a HeaderMap,
    /// The kind of owner that sent the payload, if it is known.
    pub(crate) kind: Option<&'static str>,
}

/// Hands an event to the runtime. Answers when the event is on record, or when its deliveries are settled.
pub(crate) async fn accept(
    shared: &Arc<Shared>,
    beside: &Beside<'_>,
    mut event: OwnerEvent,
) -> Result<Response, Problem> {
    let &Beside { caller, owner, wait, headers, kind } = beside;
    caller.needs(Needs::Own)?;
    let until = wait.until(shared.limits.wait)?;
    let op_id = op_id(headers)?;
    if let Some(trace) = RequestTrace::of(headers) {
        trace.brings(&mut event);
    }
    let waiting = until.map(|_| wait_place(shared, caller)).transpose()?;
    let OnRecord { answered, accepted, mut dropped } = put_on_record(shared, caller, owner, kind, op_id, event).await?;
    let mut answer = AcceptedEvent::new(&answered, &accepted);
    answer.dropped.append(&mut dropped);
    if let Some(until) = until {
        answer.outcomes = caller.unless_gone(outcomes(shared, &accepted.deliveries, until)).await;
    }
    drop(waiting);
    let status: StatusCode = status(answer.outcomes.as_deref());
    Ok((status, Json(answer)).into_response())
}

/// An event that is on record.
pub(crate) struct OnRecord {
    answered: Answered,
    accepted: Accepted,
    /// The dropped parts of the owner's statement.
    dropped: Vec<String>,
}

/// Hands an event to the runtime, and answers when it is on record. Events over HTTP and from a spool take this path.
pub(crate) async fn put_on_record(
    shared: &Arc<Shared>,
    caller: &Caller,
    owner: &OwnerQuery,
    kind: Option<&str>,
    op_id: Option<Arc<str>>,
    mut event: OwnerEvent,
) -> Result<OnRecord, Problem> {
    caller.needs(Needs::Own)?;
    if let Some(op_id) = op_id {
        event.op_id.get_or_insert(op_id);
    }
    for_tenant(caller, owner.tenant.as_deref(), &mut event.session.identity)?;
    // An invalid session registers no owner either. A scope that is too long does not refuse an end.
    event.session.identity.unscoped().validate()?;
    let kind = kind.or(event.session.owner_kind.as_deref());
    let (owner, dropped) = find_owner(shared, caller, owner, kind, &event.session.identity.tenant)?;
    let answered = take_in(shared, &Source { owner, connection: None }, event).await;
    let accepted = answered.result.clone()?;
    Ok(OnRecord { answered, accepted, dropped })
}

/// An event that the server noted without a record.
pub(crate) struct Noted {
    /// The session.
    pub(crate) identity: Identity,
    /// The dropped parts of the owner's statement.
    pub(crate) dropped: Vec<String>,
}

/// Notes an event that does not start, compact or end a session. It shows that the session lives, and so does the owner
/// that the request names. Refuses an identity that is invalid.
pub(crate) fn note(
    shared: &Arc<Shared>,
    caller: &Caller,
    owner: &OwnerQuery,
    kind: Option<&str>,
    name: &str,
    session: Option<Identity>,
) -> Result<Result<Noted, FieldError>, Problem> {
    let names_session = session.is_some();
    let mut identity = session.unwrap_or_else(|| Identity::new(DEFAULT_TENANT, "none"));
    for_tenant(caller, owner.tenant.as_deref(), &mut identity)?;
    if let Err(error) = identity.validate() {
        return Ok(Err(error));
    }
    let (owner, dropped) = find_owner(shared, caller, owner, kind, &identity.tenant)?;
    take_in_other(shared, &Source { owner, connection: None }, name, names_session.then_some(&identity));
    Ok(Ok(Noted { identity, dropped }))
}

/// Sets the session's tenant: its own, else the request's, else the caller's. Another tenant's session is answered as
/// not found.
pub(crate) fn for_tenant(caller: &Caller, named: Option<&str>, identity: &mut Identity) -> Result<(), Problem> {
    if let Some(named) = named {
        check_tenant(named)?;
    }
    if &*identity.tenant == DEFAULT_TENANT
        && let Some(tenant) = caller.tenant(named)?
    {
        identity.tenant = tenant;
    }
    let is_other = named.is_some_and(|named| named != &*identity.tenant);
    if is_other || !caller.access.sees(&identity.tenant) {
        return Err(Problem::not_found());
    }
    Ok(())
}

/// Registers the owner that a request names. The owner has this kind unless the request names another. Returns the
/// dropped parts of its statement as well: an event is not refused because of its owner.
pub(crate) fn find_owner(
    shared: &Arc<Shared>,
    caller: &Caller,
    owner: &OwnerQuery,
    kind: Option<&str>,
    tenant: &str,
) -> Result<(Option<OwnerId>, Vec<String>), Problem> {
    let mut said = owner.said()?;
    let mut dropped = Vec::new();
    match kind {
        Some(kind) if said.kind.is_empty() && is_kind(kind) => said.kind = kind.into(),
        Some(_) if said.kind.is_empty() && said.is_someone() => {
            let most = MAX_OWNER_KIND_BYTES;
            dropped.push(format!(
                "kind: an owner's has 1 to {most} bytes and no control characters; it is registered without"
            ));
        }
        _ => {}
    }
    if !said.is_someone() {
        return Ok((None, dropped));
    }
    // An event whose process is not believed still shows that a known owner lives.
    let known = || shared.owners.hear_from(tenant, &said.name());
    if !said.says_how_it_lives() {
        let known = known();
        if known.is_none() {
            let name = said.name();
            dropped.push(format!("owner: {name:?} is not registered: PUT /v1/owners/NAME, or give a pid or a lease"));
        }
        return Ok((known, dropped));
    }
    match shared.owners.register(&said, tenant, caller.witness()) {
        Ok(mut registration) => {
            dropped.append(&mut registration.dropped);
            Ok((Some(registration.registered.id), dropped))
        }
        Err(NotRegistered::NotVisible(why)) => {
            let (code, hint) = (NotVisible::CODE, NotVisible::HINT);
            dropped.push(format!("pid: {code}: {why}; {hint}"));
            Ok((known(), dropped))
        }
        Err(NotRegistered::TooMany) => {
            dropped.push("owner: there are too many owners".to_owned());
            Ok((known(), dropped))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::access::Access;

    fn tenant_of(own: Option<&str>, named: Option<&str>, said: &str) -> Option<String> {
        let access = Access::new(Role::Owner, own.map(Arc::from));
        let caller = Caller::of(access);
        let mut identity = Identity::new(said, "s");
        for_tenant(&caller, named, &mut identity).ok()?;
        Some(identity.tenant.to_string())
    }

    #[test]
    fn a_session_is_of_the_tenant_that_says_most_and_never_of_one_that_the_caller_does_not_see() {
        let table = [
            (None, None, "default", Some("default")),
            (None, None, "acme", Some("acme")),
            (None, Some("acme"), "default", Some("acme")),
            (None, Some("acme"), "acme", Some("acme")),
            (None, Some("acme"), "other", None),
            (Some("acme"), None, "default", Some("acme")),
            (Some("acme"), None, "acme", Some("acme")),
            (Some("acme"), None, "other", None),
            (Some("acme"), Some("other"), "default", None),
            (Some("acme"), Some("other"), "acme", None),
            (Some("default"), None, "acme", None),
        ];
        for (own, named, said, expected) in table {
            assert_eq!(tenant_of(own, named, said).as_deref(), expected, "{own:?} {named:?} {said}");
        }
    }
}
