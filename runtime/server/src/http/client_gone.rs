//! A client that leaves before it is answered.
//!
//! Over TCP whoever closes its half of a connection is taken for gone: nothing tells it from one that has closed all of it, until something
//! is written. What it has asked for is carried out all the same, since it may have left with its last word; but nobody waits
//! on its behalf any more. Over the Unix socket a client may close its half and read the answer.

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

/// Tells whoever waits on behalf of a client that it is gone.
#[derive(Clone)]
pub(crate) struct ClientGone(watch::Receiver<()>);

impl ClientGone {
    /// What the future gives; none if the client is gone before.
    pub(crate) async fn or<T>(&self, waits: impl Future<Output = T>) -> Option<T> {
        let mut present = self.0.clone();
        tokio::select! {
            biased;
            waited = waits => Some(waited),
            // Nothing is ever sent: what counts is that the sender is dropped.
            _ = present.changed() => None,
        }
    }
}

/// Answers a request. It begins at once, and is carried out also if the future is dropped, as it is when the client is gone: that may be before
/// anybody has looked at the future.
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
            // The router answers for handlers that panic, and nobody aborts them.
            tracing::error!(%error, "a request was not carried out, which is a defect of lastword");
            let detail = "this is a defect of lastword; its log says more";
            Ok(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response())
        })
    }
}
