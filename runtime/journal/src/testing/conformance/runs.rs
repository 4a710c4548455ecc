//! A journal, run after run, and what the rules write into it.

use std::ops::Deref;
use std::sync::Arc;

use lastword_events::{
    Change, EndReason, Event, EventKey, FailureCause, Identity, PluginName, Session, SessionEnd, SessionStart,
    Timestamp,
};

use crate::{
    Appended, Completion, DeliveryKey, Journal, JournalOp, KeyValueChanges, Receipt, Recovered, Settlement, Space,
};

/// A sequence that no journal has reached.
pub(super) const NO_SEQUENCE: u64 = 1 << 40;

/// A journal, run after run. Each rule has two tenants of its own, because the journal also has sessions of others.
pub(super) struct Runs<'a> {
    journal: Option<Arc<dyn Journal>>,
    open: &'a dyn Fn() -> Arc<dyn Journal>,
    tenants: (Arc<str>, Arc<str>),
}

impl<'a> Runs<'a> {
    /// The names of the rule's tenants contain `name`.
    pub(super) fn new(open: &'a dyn Fn() -> Arc<dyn Journal>, name: &str) -> Self {
        Self { journal: None, open, tenants: (format!("{name}-t").into(), format!("{name}-u").into()) }
    }

    pub(super) fn tenants(&self) -> (Arc<str>, Arc<str>) {
        self.tenants.clone()
    }

    /// Ends this run as a crash does, and gives what the next run finds of the rule's tenants.
    pub(super) fn next_run(&mut self) -> Recovered {
        // A journal with a file has to release it first.
        self.journal = None;
        let journal = self.journal.insert((self.open)());
        let mut recovered = journal.recover().unwrap();
        let is_mine = |identity: &Identity| identity.tenant == self.tenants.0 || identity.tenant == self.tenants.1;
        recovered.sessions.retain(|one| is_mine(&one.session.identity));
        recovered.deliveries.retain(|one| is_mine(&one.session.identity));
        recovered.ended.retain(|one| is_mine(&one.identity));
        recovered
    }

    /// The journal of this run, as a second handle.
    pub(super) fn handle(&self) -> Arc<dyn Journal> {
        self.journal.clone().unwrap()
    }

    /// Starts a session of the first tenant.
    pub(super) async fn start(&self, id: &str) -> (u64, Arc<Session>) {
        match self.append(self.start_op(id)).await.unwrap() {
            Appended::Session { sequence, session } => (sequence, session),
            other => panic!("the answer to a start is {other:?}"),
        }
    }

    pub(super) fn start_op(&self, id: &str) -> JournalOp {
        let session = Arc::new(Session::new(&self.tenants.0, id));
        JournalOp::Start { session, event: start_event(), owed: vec![], op_id: None }
    }

    /// Ends a session. The plugin `memory` is owed the end.
    pub(super) async fn end(&self, sequence: u64, session: &Arc<Session>) -> Appended {
        self.append(end_op(sequence, session)).await.unwrap()
    }

    /// The end, reported at this moment, of a session that nobody had started.
    pub(super) async fn end_at(&self, identity: &Identity, at: Timestamp) -> (u64, u32) {
        let end = JournalOp::EndWithoutStart {
            session: Arc::new(Session::of(identity.clone())),
            event: end_event(EndReason::Reset),
            owed: vec![],
            received: received_at(at),
            op_id: None,
        };
        match self.append(end).await.unwrap() {
            Appended::Session { sequence, session } => (sequence, session.generation),
            other => panic!("the answer to an end is {other:?}"),
        }
    }
}

impl Deref for Runs<'_> {
    type Target = dyn Journal;

    fn deref(&self) -> &Self::Target {
        &**self.journal.as_ref().unwrap()
    }
}

pub(super) fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

pub(super) fn start_event() -> Arc<Event> {
    Arc::new(Event::Start(SessionStart::default()))
}

pub(super) fn end_event(reason: EndReason) -> Arc<Event> {
    Arc::new(Event::End(SessionEnd::new(reason, Timestamp::from_millisecond(0))))
}

pub(super) fn end_op(sequence: u64, session: &Arc<Session>) -> JournalOp {
    let (session, event) = (session.clone(), end_event(EndReason::Reset));
    JournalOp::End { sequence, session, event, owed: vec![plugin()], received: None, op_id: None }
}

pub(super) fn received_at(at: Timestamp) -> Receipt {
    // Each bit is kept.
    Receipt { at, said: u64::MAX - 1 }
}

/// How an attempt of an end ended.
pub(super) fn completion(sequence: u64, attempt: u32, settlement: Settlement) -> Completion {
    let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin() };
    Completion { delivery, attempt, settlement, changes: None }
}

pub(super) fn owed_again(late: bool) -> Settlement {
    Settlement::Owed { failures: 1, late, retry_at: None, cause: FailureCause::Retry, message: "busy".into() }
}

pub(super) fn changes(space: &Space, keys: &[(&str, Option<&[u8]>)]) -> Option<Box<KeyValueChanges>> {
    let change = |&(key, value): &(&str, Option<&[u8]>)| {
        (key.to_owned(), value.map_or(Change::Delete, |value| Change::Set(value.to_vec())))
    };
    let changes = keys.iter().map(change).collect();
    Some(Box::new(KeyValueChanges { space: space.clone(), plugin_quota: None, tenant_quota: None, changes }))
}
