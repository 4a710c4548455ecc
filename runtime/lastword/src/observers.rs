//! All observers of a runtime. An observer that panics does no other harm: a worker that unwound would lose the calls that it holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lastword_events::{DeliveryId, Hook, Identity, PluginName};
use lastword_journal::{Commit, Settlement};

use crate::call_spans::CallSpans;
use crate::observer::{CallStart, Observer, OutcomeRecord, Registration};
use crate::request::Refusal;

/// The observers, in the order in which they were set. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Observers(Arc<[Box<dyn Observer>]>);

impl Observers {
    pub(crate) fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        Self(observers.into())
    }

    /// Whether there is no observer.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn registered(&self, registration: &Registration<'_>) {
        self.tell("registered", |observer| observer.registered(registration));
    }

    /// Tells of a call. Gives the spans in which the call is to be polled.
    pub(crate) fn call(&self, call: &CallStart<'_>) -> CallSpans {
        let mut spans = CallSpans::default();
        for observer in &*self.0 {
            let span = spans.in_scope(|| observed("call", || observer.call(call)));
            spans.add(span);
        }
        spans
    }

    pub(crate) fn outcome(&self, record: &OutcomeRecord<'_>) {
        self.tell("outcome", |observer| observer.outcome(record));
    }

    pub(crate) fn recorded(&self, delivery: &DeliveryId, settlement: &Settlement) {
        self.tell("recorded", |observer| observer.recorded(delivery, settlement));
    }

    pub(crate) fn forgotten(&self, session: &Identity, delivery: &DeliveryId) {
        self.tell("forgotten", |observer| observer.forgotten(session, delivery));
    }

    pub(crate) fn journal(&self, commit: &Commit<'_>) {
        self.tell("journal", |observer| observer.journal(commit));
    }

    pub(crate) fn breaker_opened(&self, tenant: &str, plugin: &PluginName) {
        self.tell("breaker_opened", |observer| observer.breaker_opened(tenant, plugin));
    }

    pub(crate) fn refused(&self, session: &Identity, hook: Hook, refusal: &Refusal) {
        self.tell("refused", |observer| observer.refused(session, hook, refusal));
    }

    /// Tells the observers what a journal commits, for as long as the runtime is there.
    pub(crate) fn commit_observer(&self) -> impl Fn(&Commit<'_>) + Send + Sync + use<> {
        let observers = Arc::downgrade(&self.0);
        move |commit| {
            if let Some(observers) = observers.upgrade() {
                Self(observers).journal(commit);
            }
        }
    }

    fn tell(&self, what: &'static str, tell: impl Fn(&dyn Observer)) {
        for observer in &*self.0 {
            observed(what, || tell(&**observer));
        }
    }
}

/// What an observer answers. None if it has panicked.
fn observed<T>(function: &'static str, tell: impl FnOnce() -> T) -> Option<T> {
    let answer = catch_unwind(AssertUnwindSafe(tell));
    if answer.is_err() {
        tracing::error!(function, "an observer panicked; what it was told of is not affected");
    }
    answer.ok()
}
