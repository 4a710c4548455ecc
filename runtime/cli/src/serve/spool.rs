//! Takes in the events that hooks wrote to the spool while no daemon answered.
//!
//! Events from before the daemon serves are on record before it answers any client, so that a later hook does not
//! overtake an earlier one of its session. Later events are taken as they come, because hooks append their events to
//! the waiting ones.

mod changes;
mod pass;

use std::future::pending;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use lastword_events::text::printable_path;
use lastword_server::Server;
use lastword_spool::{Reader, Spool, SpoolError};
use tokio::runtime::Handle;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};

use crate::emit::default_spool;
use crate::exit::Failure;
use crate::limits::{SPOOL_RETAKE, SPOOL_RETRY, SPOOL_RETRY_MOST};
use crate::signals::Signals;
use changes::Changes;
use pass::Waits;

/// A spool that can be taken in.
pub(super) enum Found {
    /// The spool is ours alone.
    Ours(Reader),
    /// Another daemon takes the spool in, until it exits.
    Anothers(Spool),
}

/// A spool that is taken in, or will be.
pub(super) struct Intake {
    spool: Spool,
    /// Empty as long as the spool is another daemon's.
    reader: Arc<OnceLock<Arc<Reader>>>,
    task: AbortHandle,
}

/// Returns the named spool, or the user's own. `None` if that one cannot be used and the user did not name it.
///
/// # Errors
/// When the named spool cannot be used.
pub(super) fn find(said: Option<&Path>) -> Result<Option<Found>, Failure> {
    let Some(spool) = said.map(Spool::at).or_else(default_spool) else {
        tracing::debug!("nobody knows where the spool of this user is");
        return Ok(None);
    };
    match Reader::begin(&spool) {
        Ok(reader) => Ok(Some(Found::Ours(reader))),
        Err(SpoolError::Taken { directory }) => {
            let directory = printable_path(&directory);
            tracing::warn!(
                "another daemon takes in the spool {directory}: this one does when that has left; name another with --spool"
            );
            Ok(Some(Found::Anothers(spool)))
        }
        Err(error) if said.is_some() => Err(Failure::usage(error)),
        Err(error) => {
            tracing::warn!("what hooks leave while no daemon answers is not taken in: {error}");
            Ok(None)
        }
    }
}

impl Intake {
    /// Takes in the waiting events, and then each new one. Returns when all waiting events were tried, or a signal has
    /// come: the disk must not delay a signal.
    pub(super) fn begin(found: Found, server: &Server, engine: &Handle, signals: &Signals) -> Self {
        let (spool, reader) = match found {
            Found::Ours(reader) => (reader.spool().clone(), Arc::new(OnceLock::from(Arc::new(reader)))),
            Found::Anothers(spool) => (spool, Arc::default()),
        };
        let is_ours = reader.get().is_some();
        let (tell, told) = oneshot::channel();
        let task = engine.spawn(take_in(spool.clone(), Arc::clone(&reader), server.clone(), tell));
        if is_ours {
            engine.block_on(async {
                select! {
                    _ = told => {}
                    _ = signals.first() => {}
                }
            });
        }
        Self { spool, reader, task: task.abort_handle() }
    }

    /// Returns the spool.
    pub(super) fn spool(&self) -> Spool {
        self.spool.clone()
    }

    /// Whether none of our events waits. An unreadable spool has no event that could be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.reader.get().is_none_or(|reader| reader.list().map_or(true, |names| names.is_empty()))
    }

    /// Releases the spool. Returns whether events still wait in it.
    pub(super) fn release(&self) -> bool {
        self.task.abort();
        if let Some(reader) = self.reader.get()
            && let Err(error) = reader.release()
        {
            tracing::debug!(%error, "the spool is left to the system to release");
        }
        !self.is_empty()
    }
}

/// Takes the spool in as soon as it is ours, from then on. Sends to `first` when all events were tried once.
async fn take_in(spool: Spool, ours: Arc<OnceLock<Arc<Reader>>>, server: Server, first: oneshot::Sender<()>) {
    if ours.get().is_none() {
        let reader = Arc::new(when_free(&spool).await);
        tracing::info!("the spool {} is taken in from now on", printable_path(spool.directory()));
        ours.get_or_init(|| reader);
    }
    let Some(reader) = ours.get() else { return };
    // Comes first, so that events that come during the pass are seen again.
    let changes = Changes::of(spool.directory());
    let mut waits = Waits::default();
    pass::take_in(reader, &server, &mut waits).await;
    // Nobody may be waiting for it.
    first.send(()).ok();
    keep_taking_in(reader, &server, &changes, waits).await;
}

/// Returns the spool when the other daemon has exited. No event tells.
async fn when_free(spool: &Spool) -> Reader {
    loop {
        timeout(SPOOL_RETAKE, pending::<()>()).await.ok();
        let tried = spool.clone();
        match spawn_blocking(move || Reader::begin(&tried)).await {
            Ok(Ok(reader)) => return reader,
            Ok(Err(error)) => tracing::debug!(%error, "the spool is not taken in yet"),
            // The program exits.
            Err(_) => return pending().await,
        }
    }
}

/// Retries events that could not be taken, at growing intervals. Meanwhile new events are taken at once.
async fn keep_taking_in(reader: &Arc<Reader>, server: &Server, changes: &Changes, mut waits: Waits) {
    let (mut pause, mut again) = (SPOOL_RETRY, None);
    loop {
        if waits.is_nothing() {
            (pause, again) = (SPOOL_RETRY, None);
            changes.come().await;
        } else {
            let at = *again.get_or_insert_with(|| Instant::now() + pause);
            timeout_at(at, changes.come()).await.ok();
            if Instant::now() >= at {
                waits = Waits::default();
                pause = (pause * 2).min(SPOOL_RETRY_MOST);
                again = None;
            }
        }
        pass::take_in(reader, server, &mut waits).await;
    }
}
