//! One pass through a spool: waiting events are handed to the runtime in order, and removed when they are on record.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lastword_server::{HookRefused, Server};
use lastword_spool::{EventName, Reader, SpoolError, SpooledEvent, is_newer_than_this};
use tokio::task::spawn_blocking;

use crate::limits::SPOOLED_AT_ONCE;

/// The id of a session, whose events are taken one after the other. Events without an id are taken as they come.
type SessionId = Option<Arc<str>>;

/// An event that the runtime has answered.
struct Taken {
    name: EventName,
    event: SpooledEvent,
    session: SessionId,
    result: Result<(), HookRefused>,
}

/// The events that could not be taken. The next full pass retries them.
#[derive(Default)]
pub(super) struct Waits {
    names: HashSet<EventName>,
    /// Sessions with a waiting event. Their later events wait as well.
    sessions: HashSet<Arc<str>>,
    /// Whether the session of a waiting event is unknown. All later events then wait as well.
    all: bool,
    /// The reason of one of them, for people.
    why: Option<String>,
}

impl Waits {
    pub(super) fn is_nothing(&self) -> bool {
        self.names.is_empty() && !self.all
    }

    fn add(&mut self, name: EventName, why: String) {
        self.names.insert(name);
        self.why = Some(why);
    }
}

/// The events of a pass that are under way, and those that have to wait.
struct Pass<'a> {
    reader: &'a Arc<Reader>,
    under_way: FuturesUnordered<BoxFuture<'static, Taken>>,
    /// Sessions with an event under way.
    busy: HashSet<Arc<str>>,
    waits: &'a mut Waits,
}

/// Takes in the events that are not in `waits` yet, and adds those that must be retried.
pub(super) async fn take_in(reader: &Arc<Reader>, server: &Server, waits: &mut Waits) {
    let is_first = waits.is_nothing();
    let listing = Arc::clone(reader);
    let names = match blocking(move || listing.list()).await {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(%error, "the spool cannot be looked at");
            waits.all = true;
            return;
        }
    };
    let mut pass = Pass { reader, under_way: FuturesUnordered::new(), busy: HashSet::new(), waits };
    let many = names.len();
    for name in names {
        if pass.waits.all {
            break;
        }
        if !pass.waits.names.contains(&name) {
            pass.take(name, server).await;
        }
    }
    while pass.settle_one().await {}
    for warning in reader.warnings() {
        tracing::warn!("{warning}");
    }
    if many > 0 {
        tracing::debug!(many, waiting = pass.waits.names.len(), "events of the spool were looked at");
    }
    // Logged once for each full pass.
    if let (true, Some(why)) = (is_first, &pass.waits.why) {
        tracing::warn!(waiting = pass.waits.names.len(), why, "events of the spool wait, and are tried again");
    }
}

impl Pass<'_> {
    async fn take(&mut self, name: EventName, server: &Server) {
        let (reader, file) = (Arc::clone(self.reader), name.clone());
        let event = match blocking(move || reader.read(&file)).await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                // The spool's reader has logged a warning.
                tracing::debug!(%error, "the spool waits");
                self.waits.all = true;
                return;
            }
        };
        let SpooledEvent { owner, event: named, op_id, payload, .. } = &event;
        let read = match server.read_hook(owner, named.as_deref(), payload) {
            Ok(read) => read,
            Err(refused) => {
                self.waits.all |= refused.may_pass;
                return self.refuse(name, event, refused).await;
            }
        };
        let session: SessionId = read.session().map(|session| session.id.clone());
        while self.under_way.len() >= SPOOLED_AT_ONCE || session.as_ref().is_some_and(|id| self.busy.contains(id)) {
            self.settle_one().await;
        }
        if session.as_ref().is_some_and(|id| self.waits.sessions.contains(id)) {
            self.waits.names.insert(name);
            return;
        }
        let answer = server.take_hook(read, op_id, event.process_here().cloned());
        self.busy.extend(session.clone());
        self.under_way.push(Box::pin(async move {
            let result = answer.await;
            Taken { name, event, session, result }
        }));
    }

    /// Waits for an event that is under way. Returns false if there is none.
    async fn settle_one(&mut self) -> bool {
        let Some(Taken { name, event, session, result }) = self.under_way.next().await else { return false };
        if let Some(session) = &session {
            self.busy.remove(session);
        }
        match result {
            // Only now, because the event is on record.
            Ok(()) => self.remove(name).await,
            Err(refused) => {
                if is_held(&event, &refused) {
                    self.waits.sessions.extend(session);
                }
                self.refuse(name, event, refused).await;
            }
        }
        true
    }

    async fn remove(&mut self, name: EventName) {
        let (reader, file) = (Arc::clone(self.reader), name.clone());
        if let Err(error) = blocking(move || reader.remove(&file)).await {
            self.waits.add(name, error.to_string());
        }
    }

    /// Keeps a refused event in its place, or sets it aside for people.
    async fn refuse(&mut self, name: EventName, event: SpooledEvent, refused: HookRefused) {
        if is_held(&event, &refused) {
            self.waits.add(name, format!("{}: {}", refused.code, refused.detail));
            return;
        }
        let HookRefused { code, detail, .. } = refused;
        tracing::warn!(
            owner = event.owner,
            code,
            detail,
            "an event of the spool is not taken, and is kept in `refused` there"
        );
        let (reader, why, file) = (Arc::clone(self.reader), format!("{code}: {detail}"), name.clone());
        if let Err(error) = blocking(move || reader.refuse(&file, event, &why)).await {
            self.waits.add(name, error.to_string());
        }
    }
}

/// Whether an event waits, because it may be taken later: by this daemon, or by the next one if the hook's program is
/// newer than this one.
fn is_held(event: &SpooledEvent, refused: &HookRefused) -> bool {
    refused.may_pass || is_newer_than_this(&event.version)
}

/// Reads files on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The program exits.
            Err(_) => std::future::pending().await,
        },
    }
}
