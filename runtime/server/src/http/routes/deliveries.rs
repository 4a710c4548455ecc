//! `/v1/deliveries`: the deliveries that were not made, and an operator's changes to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lastword::events::{DeliveryId, JournalName, PluginName};
use lastword::{Changed, DeliveryFilter, DeliveryPage, DeliveryRow, DeliveryState, PageRequest, Runtime};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::access::Needs;
use crate::http::caller::Caller;
use crate::http::extract::{Payload, Query};
use crate::http::journal::runtime_with;
use crate::http::page::{bad_page, page_rows};
use crate::http::problem::Problem;
use crate::http::tenant_turns::Turn;
use crate::limits::{LIST_TIMEOUT, MAX_CHANGED_AT_ONCE, PAGE_LIST_TIMEOUT};
use crate::shared::Shared;

/// The code of a list that would have to read too many rows.
pub(in crate::http) const LIST_TOO_SLOW: &str = "list_too_slow";

/// The filter of deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// `owed`, `dead` or `orphaned`.
    state: Option<String>,
    /// Deliveries of this tenant's sessions.
    tenant: Option<String>,
    /// Deliveries of this plugin.
    plugin: Option<String>,
    /// Deliveries of this journal, which the daemon has adopted, and not of its own.
    journal: Option<String>,
    /// The place to continue from, which is `next` of the page before.
    after: Option<String>,
    /// Most rows of the page: 100 by default, and at most 1000. A page may have fewer rows, or none, although more
    /// follow.
    limit: Option<u32>,
}

/// A page of deliveries that were not made, oldest session first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveriesPage {
    /// The deliveries.
    deliveries: Vec<Delivery>,
    /// The place of the next page; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A delivery that was not made, with the fields that `lastword deliveries --json` prints. The id contains the plugin
/// and the hook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// The delivery's id.
    delivery: String,
    /// `owed`, `dead` or `orphaned`.
    state: &'static str,
    /// The session's tenant.
    tenant: String,
    /// The session's id.
    session: String,
    /// How often that id was started.
    generation: u32,
    /// Why the session ended, if it has.
    reason: Option<String>,
    /// The number of the last attempt.
    attempt: u32,
    /// Failed attempts.
    failures: u32,
    /// Whether newer events of the session went ahead.
    late: bool,
    /// When the next attempt is due.
    retry_at: Option<String>,
    /// Why the last attempt failed.
    cause: Option<String>,
    /// The message of that failure.
    message: Option<String>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            delivery: row.delivery.to_string(),
            state: row.state.as_str(),
            tenant: row.tenant,
            session: row.session,
            generation: row.generation,
            reason: row.reason,
            attempt: row.attempt,
            failures: row.failures,
            late: row.late,
            retry_at: row.retry_at.map(|at| at.to_string()),
            cause: row.cause,
            message: row.message,
        }
    }
}

/// The deliveries to change: the named ones, or all that match the filter.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// The ids of the deliveries.
    deliveries: Option<Vec<String>>,
    /// The filter of the deliveries.
    filter: Option<FilterBody>,
}

/// The filter of deliveries. Without any field, all that were not made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterBody {
    /// `owed`, `dead` or `orphaned`.
    state: Option<String>,
    /// Deliveries of this tenant's sessions.
    tenant: Option<String>,
    /// Deliveries of this plugin.
    plugin: Option<String>,
}

/// The result of a change of deliveries.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ChangedDeliveries {
    /// The number of changed deliveries.
    changed: u64,
    /// The result for each named delivery, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deliveries: Vec<ChangedDelivery>,
}

/// The result for one delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedDelivery {
    /// The delivery's id.
    delivery: String,
    /// `done`, `already_owed`, `unknown`, `under_way` or `unwritable`.
    how: &'static str,
}

/// The two changes.
#[derive(Clone, Copy)]
enum Change {
    Redeliver,
    Drop,
}

/// Lists the deliveries that were not made, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/deliveries",
    params(DeliveriesQuery),
    responses((status = 200, description = "A page", body = DeliveriesPage))
)]
pub(crate) async fn list_deliveries(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<DeliveriesPage>, Problem> {
    caller.needs(Needs::Read)?;
    let DeliveriesQuery { state, tenant, plugin, journal, after, limit } = query;
    let runtime = runtime_with(&shared, journal.as_deref())?;
    let filter = filter(&caller, state.as_deref(), tenant.as_deref(), plugin.as_deref())?;
    let limit = page_rows(limit);
    let request = match after {
        Some(after) => PageRequest::after(after.parse::<DeliveryId>().map_err(|_| bad_page())?, limit),
        None => PageRequest::first(limit),
    };
    let page = page_for((&shared, &runtime), &caller, &filter, request, LIST_TIMEOUT).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Json(DeliveriesPage { deliveries: page.rows.into_iter().map(Delivery::from).collect(), next }))
}

/// Reads a page for a caller. To a caller of one tenant `next` is one of the page's own rows: the journal's may be the
/// row where it stopped reading, which can be another tenant's. The search for such a row takes `patience` at most.
async fn page_for(
    (shared, runtime): (&Shared, &Runtime),
    caller: &Caller,
    filter: &DeliveryFilter,
    mut request: PageRequest,
    patience: Duration,
) -> Result<DeliveryPage, Problem> {
    let until = Instant::now() + patience;
    loop {
        let mut page = {
            let _turn = turn_to_read(shared, caller).await;
            runtime.deliveries(filter, &request).await?
        };
        if caller.access.is_of_all() {
            return Ok(page);
        }
        let last = page.rows.last().map(|row| row.delivery.clone());
        match (page.next.take(), last) {
            (None, _) => return Ok(page),
            (Some(_), Some(last)) => {
                page.next = Some(last);
                return Ok(page);
            }
            (Some(_), None) if Instant::now() >= until => {
                let detail = "too much is to be looked through: name a plugin or a state, or try it again";
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, LIST_TOO_SLOW, detail));
            }
            (next, None) => request.after = next,
        }
    }
}

/// Waits until the caller may read deliveries. The runtime reads for one caller after the other. Each tenant waits there
/// once, so one that asks again and again takes turns with the others.
async fn turn_to_read<'a>(shared: &'a Shared, caller: &Caller) -> Turn<'a> {
    shared.delivery_reads.take(caller.access.tenant().cloned()).await
}

/// Returns the first deliveries in this state that the caller may see.
pub(in crate::http) async fn first_deliveries(
    shared: &Shared,
    caller: &Caller,
    state: DeliveryState,
    limit: usize,
) -> Result<DeliveryPage, Problem> {
    let filter = filter(caller, Some(state.as_str()), None, None)?;
    page_for((shared, &shared.runtime), caller, &filter, PageRequest::first(limit), PAGE_LIST_TIMEOUT).await
}

/// Redelivers these dead deliveries, or all of a plugin, that the caller may see. Returns their number.
pub(in crate::http) async fn redeliver(
    shared: &Shared,
    caller: &Caller,
    named: &[String],
    plugin: Option<&str>,
) -> Result<u64, Problem> {
    caller.needs(Needs::Operate)?;
    match plugin {
        Some(plugin) => Ok(shared.runtime.redeliver_all(&filter(caller, None, None, Some(plugin))?).await?),
        None => Ok(change_named(shared, caller, named, Change::Redeliver).await?.changed),
    }
}

/// Drops these deliveries, or all of a plugin in this state, that the caller may see. Returns their number.
pub(in crate::http) async fn drop_chosen(
    shared: &Shared,
    caller: &Caller,
    named: &[String],
    all: Option<(&str, &str)>,
) -> Result<u64, Problem> {
    caller.needs(Needs::Operate)?;
    match all {
        Some((plugin, state)) => {
            Ok(shared.runtime.forget_all(&filter(caller, Some(state), None, Some(plugin))?).await?)
        }
        None => Ok(change_named(shared, caller, named, Change::Drop).await?.changed),
    }
}

/// Redelivers dead deliveries.
#[utoipa::path(
    post,
    path = "/v1/deliveries/redeliver",
    request_body = ChangeBody,
    responses((status = 200, description = "What became of them", body = ChangedDeliveries))
)]
pub(crate) async fn redeliver_deliveries(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Payload,
) -> Result<Json<ChangedDeliveries>, Problem> {
    change(&shared, &caller, body, Change::Redeliver).await
}

/// Drops deliveries: the daemon will not call their plugins with them any more.
#[utoipa::path(
    post,
    path = "/v1/deliveries/drop",
    request_body = ChangeBody,
    responses((status = 200, description = "What became of them", body = ChangedDeliveries))
)]
pub(crate) async fn drop_deliveries(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Payload,
) -> Result<Json<ChangedDeliveries>, Problem> {
    change(&shared, &caller, body, Change::Drop).await
}

async fn change(
    shared: &Shared,
    caller: &Caller,
    body: Payload,
    change: Change,
) -> Result<Json<ChangedDeliveries>, Problem> {
    caller.needs(Needs::Operate)?;
    let changed = match body.json::<ChangeBody>()? {
        ChangeBody { deliveries: Some(named), filter: None } => change_named(shared, caller, &named, change).await?,
        ChangeBody { deliveries: None, filter: Some(said) } => {
            let FilterBody { state, tenant, plugin } = said;
            let filter = filter(caller, state.as_deref(), tenant.as_deref(), plugin.as_deref())?;
            let changed = match change {
                Change::Redeliver => shared.runtime.redeliver_all(&filter).await?,
                Change::Drop => shared.runtime.forget_all(&filter).await?,
            };
            ChangedDeliveries { changed, deliveries: Vec::new() }
        }
        _ => {
            let detail = "name the deliveries, or give a filter, and not both";
            return Err(Problem::bad_field("deliveries", "missing_field", detail));
        }
    };
    Ok(Json(changed))
}

async fn change_named(
    shared: &Shared,
    caller: &Caller,
    named: &[String],
    change: Change,
) -> Result<ChangedDeliveries, Problem> {
    if named.len() > MAX_CHANGED_AT_ONCE {
        let detail = format!("at most {MAX_CHANGED_AT_ONCE} deliveries can be named");
        return Err(Problem::bad_field("deliveries", "too_many", detail));
    }
    let mut ids = Vec::with_capacity(named.len());
    for name in named {
        let id: Result<DeliveryId, _> = name.parse();
        ids.push(id.map_err(|error| Problem::bad_field("deliveries", "bad_delivery", error))?);
    }
    let seen = are_seen(shared, caller, &ids).await?;
    let asked: Vec<DeliveryId> = ids.iter().zip(&seen).filter(|(_, seen)| **seen).map(|(id, _)| id.clone()).collect();
    let mut how = change_each(shared, asked, change).await?.into_iter();
    let deliveries: Vec<ChangedDelivery> = ids
        .iter()
        .zip(seen)
        .map(|(id, seen)| {
            let changed = if seen { how.next() } else { None };
            ChangedDelivery { delivery: id.to_string(), how: changed.map_or("unknown", word) }
        })
        .collect();
    let changed = deliveries.iter().filter(|delivery| delivery.how == "done").count() as u64;
    Ok(ChangedDeliveries { changed, deliveries })
}

/// Changes each delivery in its journal, and returns what became of them, in order.
async fn change_each(shared: &Shared, ids: Vec<DeliveryId>, change: Change) -> Result<Vec<Changed>, Problem> {
    let mut changed = vec![Changed::Unknown; ids.len()];
    for (runtime, asked) in by_journal(shared, &ids) {
        let (places, asked): (Vec<usize>, Vec<DeliveryId>) = asked.into_iter().unzip();
        let how = match change {
            Change::Redeliver => runtime.redeliver(asked).await?,
            Change::Drop => runtime.forget(asked).await?,
        };
        put_back(&mut changed, places, how);
    }
    Ok(changed)
}

/// Returns the deliveries with their places, by the runtime that has their journal.
fn by_journal(shared: &Shared, ids: &[DeliveryId]) -> Vec<(Runtime, Vec<(usize, DeliveryId)>)> {
    let mut of_journals: BTreeMap<JournalName, Vec<(usize, DeliveryId)>> = BTreeMap::new();
    for (place, id) in ids.iter().enumerate() {
        of_journals.entry(id.journal).or_default().push((place, id.clone()));
    }
    let with_runtime = |ids: Vec<(usize, DeliveryId)>| {
        let runtime = ids.first().map(|(_, id)| shared.runtimes.of_delivery(id))?;
        Some((runtime, ids))
    };
    of_journals.into_values().filter_map(with_runtime).collect()
}

/// Puts results in their places.
fn put_back<T>(all: &mut [T], places: Vec<usize>, results: Vec<T>) {
    for (place, result) in places.into_iter().zip(results) {
        if let Some(at) = all.get_mut(place) {
            *at = result;
        }
    }
}

/// Whether each delivery belongs to a tenant that the caller may see. The id does not contain the tenant, so the
/// journal is read. Another tenant's delivery is answered as unknown.
async fn are_seen(shared: &Shared, caller: &Caller, ids: &[DeliveryId]) -> Result<Vec<bool>, Problem> {
    if caller.access.is_of_all() {
        return Ok(vec![true; ids.len()]);
    }
    let _turn = turn_to_read(shared, caller).await;
    let mut seen = vec![false; ids.len()];
    for (runtime, asked) in by_journal(shared, ids) {
        let (places, asked): (Vec<usize>, Vec<DeliveryId>) = asked.into_iter().unzip();
        let rows = runtime.deliveries_named(asked).await?;
        let sees = |row: &Option<DeliveryRow>| row.as_ref().is_some_and(|row| caller.access.sees(&row.tenant));
        put_back(&mut seen, places, rows.iter().map(sees).collect());
    }
    Ok(seen)
}

fn word(changed: Changed) -> &'static str {
    match changed {
        Changed::Done => "done",
        Changed::AlreadyOwed => "already_owed",
        Changed::UnderWay => "under_way",
        Changed::Unwritable => "unwritable",
        _ => "unknown",
    }
}

fn filter(
    caller: &Caller,
    state: Option<&str>,
    tenant: Option<&str>,
    plugin: Option<&str>,
) -> Result<DeliveryFilter, Problem> {
    let mut filter = DeliveryFilter::default();
    if let Some(tenant) = caller.tenant(tenant)? {
        filter = filter.of_tenant(&tenant);
    }
    if let Some(plugin) = plugin {
        let plugin =
            PluginName::new(plugin).map_err(|error| Problem::bad_field("plugin", "bad_plugin", error.to_string()))?;
        filter = filter.of_plugin(plugin);
    }
    filter.state = state.map(read_state).transpose()?;
    Ok(filter)
}

fn read_state(word: &str) -> Result<DeliveryState, Problem> {
    word.parse::<DeliveryState>().map_err(|error| Problem::bad_field("state", "bad_state", error))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use lastword::Runtime;
    use lastword::journal::testing::FaultyJournal;

    use super::*;
    use crate::access::{Access, Role};
    use crate::observer::ServerObserver;
    use crate::server::Server;

    #[tokio::test]
    async fn a_tenant_that_lists_again_and_again_takes_turns_with_the_others() {
        let journal = Arc::new(FaultyJournal::in_memory());
        let runtime = Runtime::builder().journal(journal.clone()).build().unwrap();
        let shared = Shared::begin(Server::builder(runtime, ServerObserver::new()));
        let list = |tenant: &str| {
            let caller = Caller::of(Access::new(Role::ReadOnly, Some(tenant.into())));
            list_deliveries(State(shared.clone()), caller, Query(DeliveriesQuery::default())).boxed()
        };
        journal.hold_reads();
        let mut lists: Vec<_> = ["greedy"; 5].into_iter().chain(["other"]).map(list).collect();
        let all_wait = lists.iter_mut().all(|list| list.now_or_never().is_none());
        // First: the test's runtime waits for its threads.
        journal.release_reads();
        assert!(all_wait);
        assert!(join_all(lists).await.iter().all(Result::is_ok));
        let read = journal.tenants_of_lists();
        let read: Vec<&str> = read.iter().flatten().map(|tenant| &**tenant).collect();
        assert_eq!(read, ["greedy", "other", "greedy", "greedy", "greedy", "greedy"]);
    }

    #[test]
    fn a_row_is_the_one_that_the_program_shows_of_a_journals_file() {
        let row = DeliveryRow {
            delivery: "k3f9a2c1.17/session-end/memory".parse().unwrap(),
            state: DeliveryState::Dead,
            tenant: "acme".into(),
            session: "s1".into(),
            generation: 2,
            reason: Some("reset".into()),
            attempt: 8,
            failures: 8,
            late: false,
            retry_at: Some("2026-11-21T07:00:01Z".parse().unwrap()),
            cause: Some("retry".into()),
            message: None,
        };
        let expected = serde_json::to_value(&row).unwrap();
        assert_eq!(serde_json::to_value(Delivery::from(row)).unwrap(), expected);
    }
}
