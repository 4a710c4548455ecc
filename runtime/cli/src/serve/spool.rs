//! Takes in what hooks have left in the spool while no daemon answered them.
//!
//! What was there before the daemon serves is on record before it answers anybody: so a hook that comes then does not
//! overtake an earlier one of its session. What is left later is taken as it comes, because hooks put their events
//! behind those that wait.

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

/// A spool that is to be taken in.
pub(super) enum Found {
    /// It is ours alone.
    Ours(Reader),
    /// Another daemon takes it in, until it leaves.
    Anothers(Spool),
}

/// A spool that is taken in, or will be.
pub(super) struct Intake {
    spool: Spool,
    /// Not there as long as the spool is another daemon's.
    reader: Arc<OnceLock<Arc<Reader>>>,
    task: AbortHandle,
}

/// The spool that is said, or the user's own. None when it cannot be used and nobody has asked for it.
///
/// # Errors
/// When the one that is said cannot be used.
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
    /// Takes in what is there, and then what comes. Returns when all of the first was looked at, or a signal has come:
    /// that is not held up by what is on the disk.
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

    /// Which one it is.
    pub(super) fn spool(&self) -> Spool {
        self.spool.clone()
    }

    /// Whether nothing waits that is ours to take in. What cannot be looked at has nothing in it that could be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.reader.get().is_none_or(|reader| reader.list().map_or(true, |names| names.is_empty()))
    }

    /// It is nobody's from now on. Whether something waits in it still.
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

/// Takes the spool in as soon as it is ours, and goes on. `first` is told when all was looked at once.
async fn take_in(spool: Spool, ours: Arc<OnceLock<Arc<Reader>>>, server: Server, first: oneshot::Sender<()>) {
    if ours.get().is_none() {
        let reader = Arc::new(when_free(&spool).await);
        tracing::info!("the spool {} is taken in from now on", printable_path(spool.directory()));
        ours.get_or_init(|| reader);
    }
    let Some(reader) = ours.get() else { return };
    // First: what comes while it is looked is seen again.
    let changes = Changes::of(spool.directory());
    let mut waits = Waits::default();
    pass::take_in(reader, &server, &mut waits).await;
    // Nobody may wait for it.
    first.send(()).ok();
    keep_taking_in(reader, &server, &changes, waits).await;
}

/// The spool, when the daemon has left that takes it in. Nobody tells.
async fn when_free(spool: &Spool) -> Reader {
    loop {
        timeout(SPOOL_RETAKE, pending::<()>()).await.ok();
        let tried = spool.clone();
        match spawn_blocking(move || Reader::begin(&tried)).await {
            Ok(Ok(reader)) => return reader,
            Ok(Err(error)) => tracing::debug!(%error, "the spool is not taken in yet"),
            // The program leaves.
            Err(_) => return pending().await,
        }
    }
}

/// What could not be taken is tried again, later and later. What comes meanwhile is not held up by it.
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
