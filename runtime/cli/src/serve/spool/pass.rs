//! One look through a spool: what waits is handed to the runtime in its order, and removed when it is on record.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lastword_server::{HookRefused, Server};
use lastword_spool::{EventName, Reader, SpoolError, SpooledEvent};
use tokio::task::spawn_blocking;

use crate::limits::SPOOLED_AT_ONCE;

/// The id of a session: its events are taken one after the other. Those that name none are taken as they come.
type SessionId = Option<Arc<str>>;

/// An event that the runtime has answered.
struct Taken {
    name: EventName,
    event: SpooledEvent,
    session: SessionId,
    result: Result<(), HookRefused>,
}

/// What is under way, and what has to wait.
struct Pass<'a> {
    reader: &'a Arc<Reader>,
    under_way: FuturesUnordered<BoxFuture<'static, Taken>>,
    /// Sessions of which an event is under way.
    busy: HashSet<Arc<str>>,
    /// Sessions of which an event could not be taken. What came after it waits as well.
    held: HashSet<Arc<str>>,
    is_done: bool,
}

/// Takes in what waits. Says whether nothing is left that has to be tried again.
pub(super) async fn take_in(reader: &Arc<Reader>, server: &Server) -> bool {
    let listing = Arc::clone(reader);
    let names = match blocking(move || listing.list()).await {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(%error, "the spool cannot be looked at");
            return false;
        }
    };
    let (busy, held) = (HashSet::new(), HashSet::new());
    let mut pass = Pass { reader, under_way: FuturesUnordered::new(), busy, held, is_done: true };
    let many = names.len();
    for name in names {
        pass.take(name, server).await;
    }
    while pass.settle_one().await {}
    for warning in reader.warnings() {
        tracing::warn!("{warning}");
    }
    if many > 0 {
        tracing::debug!(many, is_done = pass.is_done, "events of the spool were looked at");
    }
    pass.is_done
}

impl Pass<'_> {
    async fn take(&mut self, name: EventName, server: &Server) {
        let (reader, file) = (Arc::clone(self.reader), name.clone());
        let event = match blocking(move || reader.read(&file)).await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => return self.fails(&error),
        };
        let SpooledEvent { owner, event: named, op_id, process, payload, .. } = &event;
        let read = match server.read_hook(owner, named.as_deref(), payload) {
            Ok(read) => read,
            Err(refused) => return self.refuse(name, event, refused).await,
        };
        let session: SessionId = read.session().map(|session| session.id.clone());
        while self.under_way.len() >= SPOOLED_AT_ONCE || session.as_ref().is_some_and(|id| self.busy.contains(id)) {
            self.settle_one().await;
        }
        if session.as_ref().is_some_and(|id| self.held.contains(id)) {
            self.is_done = false;
            return;
        }
        let answer = server.take_hook(read, op_id, process.clone());
        self.busy.extend(session.clone());
        self.under_way.push(Box::pin(async move {
            let result = answer.await;
            Taken { name, event, session, result }
        }));
    }

    /// Waits for one that is under way. False when there is none.
    async fn settle_one(&mut self) -> bool {
        let Some(Taken { name, event, session, result }) = self.under_way.next().await else { return false };
        if let Some(session) = &session {
            self.busy.remove(session);
        }
        match result {
            // Only now: it is on record.
            Ok(()) => self.remove(name).await,
            Err(refused) => {
                if refused.may_pass {
                    self.held.extend(session);
                }
                self.refuse(name, event, refused).await;
            }
        }
        true
    }

    async fn remove(&mut self, name: EventName) {
        let reader = Arc::clone(self.reader);
        if let Err(error) = blocking(move || reader.remove(&name)).await {
            self.fails(&error);
        }
    }

    /// It stays where it is, or is put aside for people.
    async fn refuse(&mut self, name: EventName, event: SpooledEvent, refused: HookRefused) {
        let HookRefused { code, detail, may_pass, .. } = refused;
        if may_pass {
            tracing::debug!(%name, code, detail, "an event of the spool waits");
            self.is_done = false;
            return;
        }
        tracing::warn!(
            owner = event.owner,
            code,
            detail,
            "an event of the spool is not taken, and is kept in `refused` there"
        );
        let (reader, why) = (Arc::clone(self.reader), format!("{code}: {detail}"));
        if let Err(error) = blocking(move || reader.refuse(&name, event, &why)).await {
            self.fails(&error);
        }
    }

    fn fails(&mut self, error: &SpoolError) {
        tracing::warn!(%error, "the spool waits");
        self.is_done = false;
    }
}

/// Files are looked at where they hold up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The program leaves.
            Err(_) => std::future::pending().await,
        },
    }
}
