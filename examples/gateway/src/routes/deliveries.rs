//! What was not delivered: operators list it, have it made again or forget it, and wait for one.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use lastword::events::{DeliveryId, PluginName};
use lastword::{Changed, DeliveryFilter, DeliveryRow, DeliveryState, MAX_PAGE_ROWS, PageRequest, Settled};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::api_error::ApiError;
use crate::gateway::Gateway;

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    state: Option<DeliveryState>,
    tenant: Option<String>,
    plugin: Option<PluginName>,
    after: Option<DeliveryId>,
    limit: Option<usize>,
}

/// A page of deliveries that were not made.
#[derive(Serialize)]
pub(crate) struct Deliveries {
    deliveries: Vec<DeliveryRow>,
    /// `after` of the next page, if there is one. A page may be empty and have a next one.
    next: Option<DeliveryId>,
}

/// `GET /deliveries?state=owed|dead|orphaned&tenant=…&plugin=…&after=…&limit=…`
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Deliveries>, ApiError> {
    let Query(ListQuery { state, tenant, plugin, after, limit }) = query?;
    let mut filter = DeliveryFilter::default();
    filter.state = state;
    filter.tenant = tenant.map(Arc::from);
    filter.plugin = plugin;
    let mut request = PageRequest::first(limit.unwrap_or(MAX_PAGE_ROWS));
    request.after = after;
    let page = gateway.runtime.deliveries(&filter, &request).await?;
    Ok(Json(Deliveries { deliveries: page.rows, next: page.next }))
}

/// Deliveries that an operator wants changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ids {
    ids: Vec<DeliveryId>,
}

/// What became of one of them: `done`, `already_owed`, `unknown` or `under_way`.
#[derive(Serialize)]
pub(crate) struct ChangedDelivery {
    id: DeliveryId,
    changed: Changed,
}

/// `POST /deliveries/redeliver` with `{"ids": […]}`: dead ones are called again.
pub(crate) async fn redeliver(
    State(gateway): State<Arc<Gateway>>,
    ids: Result<Json<Ids>, JsonRejection>,
) -> Result<Json<Vec<ChangedDelivery>>, ApiError> {
    let Json(Ids { ids }) = ids?;
    let changed = gateway.runtime.redeliver(ids.clone()).await?;
    Ok(Json(each(ids, changed)))
}

/// `POST /deliveries/forget` with `{"ids": […]}`: nobody is called with them any more.
pub(crate) async fn forget(
    State(gateway): State<Arc<Gateway>>,
    ids: Result<Json<Ids>, JsonRejection>,
) -> Result<Json<Vec<ChangedDelivery>>, ApiError> {
    let Json(Ids { ids }) = ids?;
    let changed = gateway.runtime.forget(ids.clone()).await?;
    Ok(Json(each(ids, changed)))
}

fn each(ids: Vec<DeliveryId>, changed: Vec<Changed>) -> Vec<ChangedDelivery> {
    ids.into_iter().zip(changed).map(|(id, changed)| ChangedDelivery { id, changed }).collect()
}

/// Where nobody asks to wait: as long as the journal may take to say what it has.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// `?wait` without a number.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// Proxies cut a request off after a minute.
const MAX_WAIT: Duration = Duration::from_secs(55);

#[derive(Deserialize)]
pub(crate) struct WaitQuery {
    /// Seconds.
    wait: Option<String>,
}

impl WaitQuery {
    fn duration(&self) -> Result<Duration, ApiError> {
        match self.wait.as_deref() {
            None => Ok(LEAST_WAIT),
            Some("") => Ok(DEFAULT_WAIT),
            Some(seconds) => match seconds.parse() {
                Ok(seconds) => Ok(Duration::from_secs(seconds).clamp(LEAST_WAIT, MAX_WAIT)),
                Err(_) => Err(ApiError::bad_field("wait", "bad_wait", "wait is a number of seconds")),
            },
        }
    }
}

/// What is known of a delivery.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Known {
    Delivered,
    Dead {
        failures: u32,
        cause: String,
        message: String,
    },
    Forgotten,
    /// It was made before anyone asked, or it never was. A journal keeps nothing of what was made: take it as `delivered`.
    NotOwed,
    /// It is on its way: the plugin is called now, or later.
    Owed,
    /// The next start of the gateway makes it.
    Deferred,
}

impl From<Settled> for Known {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Delivered => Self::Delivered,
            Settled::Dead { failures, cause, message } => Self::Dead { failures, cause, message },
            Settled::Forgotten => Self::Forgotten,
            Settled::NotOwed => Self::NotOwed,
            Settled::Deferred => Self::Deferred,
            _ => Self::Owed,
        }
    }
}

/// `GET /deliveries/{id}?wait=SECONDS`: 200 when it is settled, and 202 when it is owed still.
pub(crate) async fn settled(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<Known>), ApiError> {
    let id = id.parse::<DeliveryId>().map_err(|error| ApiError::bad_field("id", "bad_delivery_id", error))?;
    let wait = query?.0.duration()?;
    let settled = tokio::select! {
        settled = timeout(wait, gateway.runtime.settled_of(&id)) => settled.ok().transpose()?,
        // Nobody who waits keeps the gateway from stopping.
        () = gateway.shutdown.begun() => None,
    };
    let known = settled.map_or(Known::Owed, Known::from);
    let is_settled = !matches!(known, Known::Owed | Known::Deferred);
    Ok((if is_settled { StatusCode::OK } else { StatusCode::ACCEPTED }, Json(known)))
}

#[cfg(test)]
mod tests {
    use lastword::events::{EndReason, FailureCause, Hook, HookCall, Outcome, Session};
    use lastword::{EndRequest, Plugin};

    use super::*;

    #[test]
    fn nobody_waits_for_longer_than_a_proxy_does() {
        let wait = |wait: Option<&str>| WaitQuery { wait: wait.map(str::to_owned) }.duration().ok();
        assert_eq!(wait(None), Some(LEAST_WAIT));
        assert_eq!(wait(Some("")), Some(DEFAULT_WAIT));
        assert_eq!(wait(Some("3")), Some(Duration::from_secs(3)));
        assert_eq!(wait(Some("86400")), Some(MAX_WAIT));
        assert_eq!(wait(Some("soon")), None);
    }

    #[tokio::test]
    async fn who_waits_is_answered_when_the_gateway_stops() {
        let busy = |_: &HookCall| Outcome::Failed { cause: FailureCause::Retry, message: "busy".to_owned() };
        let name = PluginName::new("memory").unwrap();
        let plugin = Plugin::native(name, [Hook::SessionEnd].into_iter().collect(), busy).unwrap();
        let (gateway, _folder) = Gateway::with(plugin);
        let gateway = Arc::new(gateway);
        let end = EndRequest::new(Session::new("acme", "s1"), EndReason::Reset);
        let accepted = gateway.runtime.end_session(end).await.unwrap();

        let query = Query(WaitQuery { wait: Some("55".to_owned()) });
        let waiting = settled(State(gateway.clone()), Path(accepted.deliveries[0].to_string()), Ok(query));
        let waiting = tokio::spawn(waiting);
        gateway.shutdown.begin();
        // Much less than it would wait for by itself.
        let answered = timeout(MAX_WAIT / 2, waiting).await.unwrap().unwrap();
        let Ok((status, Json(known))) = answered else { panic!("refused") };
        assert_eq!((status, matches!(known, Known::Owed)), (StatusCode::ACCEPTED, true));
    }
}
