//! `GET /v1/stream`: events, as server-sent events.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use crate::access::Needs;
use crate::http::caller::{Caller, Shown};
use crate::http::connections::Closing;
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::tenant_places::TenantPlace;
use crate::http::waits::wait_place;
use crate::limits::STREAM_KEEP_ALIVE;
use crate::observer::{Happening, Watching};
use crate::shared::Shared;

/// The filter of the stream.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Events of this tenant's sessions.
    tenant: Option<String>,
}

/// Streams events from now on: `accepted`, `refused`, `outcome`, `owner`, `breaker` and `drain`.
///
/// A slow reader delays nobody. The event `missed` has the number of events that it did not get. The stream ends when
/// its token is not valid any more, or when its login is over.
#[utoipa::path(
    get,
    path = "/v1/stream",
    params(StreamQuery),
    responses((status = 200, description = "Events, each with its kind and JSON", body = String, content_type = "text/event-stream"))
)]
pub(crate) async fn watch_stream(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Problem> {
    caller.needs(Needs::Read)?;
    let tenant = caller.tenant(query.tenant.as_deref())?;
    let place = wait_place(&shared, &caller)?;
    let reader = Reader {
        watching: shared.observer.watch(tenant),
        closing: shared.connections.closing(),
        revoked: match caller.token() {
            Some(token) => Box::pin(shared.tokens.revoked(token.clone())),
            None => Box::pin(pending()),
        },
        logged_out: match caller.shown() {
            Shown::Login(hash) => Box::pin(shared.logins.over(&hash)),
            Shown::Socket | Shown::Bearer | Shown::Basic => Box::pin(pending()),
        },
        shared,
        _place: place,
    };
    let events = stream::unfold(reader, |mut reader: Reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let keep_alive = KeepAlive::new().interval(STREAM_KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// The reader of a stream.
struct Reader {
    shared: Arc<Shared>,
    watching: Watching,
    closing: Closing,
    /// Resolves when the token of the stream's request is not valid any more.
    revoked: BoxFuture<'static, ()>,
    /// Resolves when the login is over.
    logged_out: BoxFuture<'static, ()>,
    /// The stream's place among its tenant's waiting requests.
    _place: Option<TenantPlace>,
}

impl Reader {
    /// Returns the next event. `None` when the server closes, or the caller is not authorized any more.
    async fn next(&mut self) -> Option<Event> {
        let happened = tokio::select! {
            biased;
            () = self.closing.comes() => return None,
            () = &mut self.revoked => return None,
            () = &mut self.logged_out => return None,
            happened = self.watching.next() => happened,
        };
        match happened {
            Ok(happening) => Some(event(&happening)),
            Err(RecvError::Lagged(missed)) => {
                self.shared.observer.metrics().stream_missed(missed);
                let data = json!({"events": missed}).to_string();
                Some(Event::default().event("missed").data(data))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

fn event(happening: &Happening) -> Event {
    // JSON is one line, so no text in it can begin another event.
    Event::default().event(happening.kind).data(happening.json.to_string())
}
