//! Listeners, connections and the API.

mod accept;
mod authorize;
mod beside_event;
mod bodies;
mod caller;
mod client_gone;
mod connection;
mod connections;
mod dashboard;
mod extract;
mod hosts;
mod journal;
mod one_at_a_time;
mod outcomes;
mod owner_query;
mod page;
mod places;
mod problem;
mod readiness;
mod request_trace;
mod router;
mod routes;
mod tenant_places;
mod tenant_turns;
mod waits;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::bodies::Bodies;
pub(crate) use self::connections::Connections;
pub(crate) use self::dashboard::Unmade;
pub(crate) use self::hosts::Hosts;
pub(crate) use self::one_at_a_time::OneAtATime;
pub(crate) use self::readiness::Readiness;
pub(crate) use self::tenant_turns::TenantTurns;

// Hooks from a spool take the same path as hooks over HTTP.
pub(crate) use self::accept::{note, put_on_record};
pub(crate) use self::caller::Caller;
pub(crate) use self::owner_query::OwnerQuery;
pub(crate) use self::problem::Problem;
pub(crate) use self::routes::hooks::{ReadHook, Said, read_hook};

use self::caller::Origin;
use self::connection::{serve_http, serve_socket};
use self::connections::Place;
use self::router::router;
use crate::limits::{ACCEPT_PAUSE, TLS_HANDSHAKE_TIMEOUT};
use crate::shared::Shared;

/// The answer to a connection for which there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\ncontent-length: 119\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"too_many_connections\",\"detail\":\"try it again\"}";

pub(crate) async fn serve_unix(shared: &Arc<Shared>, listener: UnixListener) {
    let router = router(shared.clone());
    let mut closing = shared.connections.closing();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.comes() => return,
            accepted = listener.accept() => accepted,
        };
        let Some(stream) = taken(accepted.map(|(stream, _)| stream)).await else { continue };
        match shared.connections.enter_socket() {
            Some(place) => spawn_unix(shared, stream, &router, place),
            None => {
                // Ready at once, or the client has gone.
                timeout(ACCEPT_PAUSE, stream.writable()).await.ok();
                stream.try_write(NO_ROOM).ok();
            }
        }
    }
}

fn spawn_unix(shared: &Arc<Shared>, stream: UnixStream, router: &Router, place: Place) {
    tokio::spawn(serve_socket(shared.clone(), stream, router.clone(), place));
}

pub(crate) async fn serve_tcp(shared: &Arc<Shared>, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) {
    let router = router(shared.clone());
    let tls = tls.map(TlsAcceptor::from);
    let mut closing = shared.connections.closing();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.comes() => return,
            accepted = listener.accept() => accepted,
        };
        let Some(stream) = taken(accepted.map(|(stream, _)| stream)).await else { continue };
        match (shared.connections.enter_network(), &tls) {
            (Some((place, stranger)), tls) => {
                let origin = Origin::network(stranger, tls.is_some());
                spawn_tcp(shared, stream, &router, tls.clone(), origin, place);
            }
            (None, None) => {
                timeout(ACCEPT_PAUSE, stream.writable()).await.ok();
                stream.try_write(NO_ROOM).ok();
            }
            // Without a handshake nothing can be sent.
            (None, Some(_)) => {}
        }
    }
}

fn spawn_tcp(
    shared: &Arc<Shared>,
    stream: TcpStream,
    router: &Router,
    tls: Option<TlsAcceptor>,
    origin: Origin,
    place: Place,
) {
    let (shared, router) = (shared.clone(), router.clone());
    // Answers are short, and a client waits for each.
    stream.set_nodelay(true).ok();
    tokio::spawn(async move {
        let Some(tls) = tls else {
            return serve_http(&shared, stream, origin, router, place).await;
        };
        let mut closing = shared.connections.closing();
        let shaken = tokio::select! {
            biased;
            // No request is under way.
            () = closing.comes() => return,
            shaken = timeout(TLS_HANDSHAKE_TIMEOUT, tls.accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => serve_http(&shared, stream, origin, router, place).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    });
}

/// Returns the connection. After an error the listener pauses: with too many open files the next `accept` fails as
/// well.
async fn taken<S>(accepted: io::Result<S>) -> Option<S> {
    match accepted {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken");
            pause(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// No event tells when files can be opened again.
async fn pause(time: Duration) {
    sleep_until(tokio::time::Instant::now() + time).await;
}
