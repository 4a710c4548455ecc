//! Notices a client that leaves before its answer.
//!
//! Over TCP, a client that closes its half of the connection counts as gone: the server cannot tell a half-closed
//! connection from a closed one until it writes. The server still carries out the request, since it may be the client's
//! last event, but nothing waits for the client any more. Over the Unix socket a client may close its half and read the
//! answer.

use std::convert::Infallible;
use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tower::ServiceExt;

use super::problem::Problem;

/// Tells the tasks that wait for a client that it is gone.
#[derive(Clone)]
pub(crate) struct ClientGone(watch::Receiver<()>);

impl ClientGone {
    /// Waits for the future. Returns `None` if the client leaves first.
    pub(crate) async fn or<T>(&self, waits: impl Future<Output = T>) -> Option<T> {
        let mut present = self.0.clone();
        tokio::select! {
            biased;
            waited = waits => Some(waited),
            // Nothing is ever sent. Dropping the sender is the signal.
            _ = present.changed() => None,
        }
    }
}

/// Answers a request. The request begins at once, and is carried out even if the future is dropped, as it is when the
/// client leaves. The client may leave before the first poll.
pub(super) fn answer(
    router: Router,
    mut request: Request<Body>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
    let (present, gone) = watch::channel(());
    request.extensions_mut().insert(ClientGone(gone));
    let answering = tokio::spawn(router.oneshot(request));
    async move {
        let answered = answering.await;
        drop(present);
        answered.unwrap_or_else(|error| {
            // The router answers for handlers that panic, and no code aborts them.
            tracing::error!(%error, "a request was not carried out, which is a defect of lastword");
            let detail = "this is a defect of lastword; its log says more";
            Ok(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response())
        })
    }
}
