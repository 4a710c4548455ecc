//! Owners that start sessions as fast as a journal answers them, and what each was answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lastword_events::{Event, Session, SessionStart};
use lastword_jetstream::JetStreamJournal;
use lastword_journal::{Appended, Journal, JournalError, JournalOp, Recovered};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::patience::look_for;

/// How many wait at the same time: groups have several records, and there is always another one.
pub const WRITERS: usize = 16;
/// Whoever was refused asks again then.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Of all sessions.
const TENANT: &str = "acme";

/// Sessions that are started at this moment.
pub struct Load {
    shared: Arc<Shared>,
    writers: JoinSet<()>,
}

/// What came of all of them. Each session has an id of its own.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The sessions that are on record, with their numbers.
    pub recorded: BTreeMap<String, u64>,
    /// Those that were refused, with what was said.
    pub refused: BTreeMap<String, JournalError>,
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    is_over: AtomicBool,
    loaded: Mutex<Loaded>,
}

/// A session's start. No plugin is owed it.
#[must_use]
pub fn start_op(id: &str) -> JournalOp {
    let session = Arc::new(Session::new(TENANT, id));
    JournalOp::Start { session, event: Arc::new(Event::Start(SessionStart::default())), owed: vec![], op_id: None }
}

impl Load {
    /// Begins. Ids begin with `name`, and `recorded` is told of each that is on record.
    #[must_use]
    pub fn begin(
        journal: &Arc<JetStreamJournal>,
        name: &str,
        recorded: impl Fn(&str) + Clone + Send + 'static,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (journal, shared, name, recorded) =
                (journal.clone(), shared.clone(), name.to_owned(), recorded.clone());
            writers.spawn(async move { shared.write(&journal, &name, recorded).await });
        }
        Self { shared, writers }
    }

    /// How many are on record by now.
    #[must_use]
    pub fn recorded(&self) -> usize {
        self.shared.loaded.lock().recorded.len()
    }

    /// Waits until so many more are on record.
    ///
    /// # Panics
    /// They are not.
    #[track_caller]
    pub fn wait_for_more(&self, more: usize) {
        let wanted = self.recorded() + more;
        look_for(&format!("{more} more starts on record"), || (self.recorded() >= wanted).then_some(()));
    }

    /// Starts no more, and waits for the answers that are owed.
    pub async fn end(mut self) -> Loaded {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.writers.join_next().await {
            ended.unwrap();
        }
        self.shared.loaded.lock().clone()
    }

    /// Waits until the journal takes nothing more.
    pub async fn wait(mut self) -> Loaded {
        while let Some(ended) = self.writers.join_next().await {
            ended.unwrap();
        }
        self.shared.loaded.lock().clone()
    }
}

impl Shared {
    async fn write(&self, journal: &JetStreamJournal, name: &str, recorded: impl Fn(&str)) {
        let mut again = interval(AGAIN_AFTER);
        while !self.is_over.load(Ordering::SeqCst) {
            let id = format!("{name}-{}", self.next.fetch_add(1, Ordering::SeqCst));
            match journal.append(start_op(&id)).await {
                Ok(Appended::Session { sequence, .. }) => {
                    recorded(&id);
                    self.loaded.lock().recorded.insert(id, sequence);
                }
                Ok(other) => panic!("a start was answered with {other:?}"),
                Err(error) => {
                    self.loaded.lock().refused.insert(id, error);
                    if journal.ended().borrow().is_some() {
                        return;
                    }
                    again.tick().await;
                }
            }
        }
    }
}

impl Loaded {
    /// Checks what a run has found: each session that was on record, with its number, and once.
    ///
    /// # Panics
    /// It is not so.
    #[track_caller]
    pub fn is_in(&self, recovered: &Recovered) {
        let found: BTreeMap<&str, u64> =
            recovered.sessions.iter().map(|one| (&*one.session.identity.id, one.sequence)).collect();
        let lost: Vec<_> = self.recorded.iter().filter(|(id, at)| found.get(id.as_str()) != Some(*at)).collect();
        assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), self.recorded.len());
        let again: Vec<_> = recovered.sessions.iter().filter(|one| one.session.generation != 1).collect();
        assert!(again.is_empty(), "{} were recorded twice: {again:?}", again.len());
    }

    /// Checks that nothing which was refused is there.
    ///
    /// # Panics
    /// It is not so.
    #[track_caller]
    pub fn has_refused_what_is_not_in(&self, recovered: &Recovered) {
        let refused = |id: &str| self.refused.contains_key(id);
        let there: Vec<_> = recovered.sessions.iter().filter(|one| refused(&one.session.identity.id)).collect();
        assert!(there.is_empty(), "{} were refused and are there: {there:?}", there.len());
    }
}
